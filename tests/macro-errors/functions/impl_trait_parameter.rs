use wasp_core::virtine;

#[virtine]
fn f(values: impl Iterator<Item = u8>) {}

fn main() {}
