use wasp_core::virtine;

#[virtine(snapshot = "no")]
fn f() {}

fn main() {}
