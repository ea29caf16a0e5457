//! An example.

use wasp_core::virtine;

#[virtine]
fn same(x: u32) -> u32 {
    400 + x
}

fn main() {
    println!("library {}, example {}", every_target::same(0), same(0));
}
