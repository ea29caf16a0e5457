//! A virtine whose sizes do not fit it.

use wasp_core::virtine;

static TABLE: [u8; 1 << 20] = [1; 1 << 20];

#[virtine(memory = "1MiB", stack = "64KiB")]
fn look_up(at: usize) -> u8 {
    TABLE[at]
}

fn main() {
    println!("{}", look_up(5));
}
