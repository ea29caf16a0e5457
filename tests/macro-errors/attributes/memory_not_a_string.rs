use wasp_core::virtine;

#[virtine(memory = 8)]
fn f() {}

fn main() {}
