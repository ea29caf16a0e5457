use wasp_core::virtine;

#[virtine(colour = "red")]
fn f() {}

fn main() {}
