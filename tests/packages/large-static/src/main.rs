//! A virtine whose statics are larger than the memory that it is granted.

use wasp_core::virtine;

static TABLE: [u8; 1 << 20] = [1; 1 << 20];

#[virtine(memory = "512KiB", stack = "64KiB")]
fn look_up(at: usize) -> u8 {
    TABLE[at]
}

fn main() {
    println!("{}", look_up(5));
}
