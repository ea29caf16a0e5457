use wasp_core::virtine;

#[virtine]
fn f<const N: usize>(values: [u8; N]) {}

fn main() {}
