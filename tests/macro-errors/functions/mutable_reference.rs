use wasp_core::virtine;

#[virtine]
fn f(value: &mut u8) {}

fn main() {}
