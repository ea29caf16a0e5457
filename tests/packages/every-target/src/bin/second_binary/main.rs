//! A binary in a folder of its own, with an underscore in its name.

use wasp_core::virtine;

mod part;

#[virtine]
fn same(x: u32) -> u32 {
    part::base() + x
}

fn main() {
    println!("library {}, binary {}", every_target::same(0), same(0));
}
