use wasp_core::virtine;

#[virtine(depth = 0)]
fn f() {}

fn main() {}
