use wasp_core::virtine;

#[virtine(std)]
fn f() {}

fn main() {}
