use wasp_core::virtine;

#[virtine]
fn f(value: &mut str) {}

fn main() {}
