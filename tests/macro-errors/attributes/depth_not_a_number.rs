use wasp_core::virtine;

#[virtine(depth = "1000")]
fn f() {}

fn main() {}
