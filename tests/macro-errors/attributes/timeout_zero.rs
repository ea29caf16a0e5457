use wasp_core::virtine;

#[virtine(timeout = "0s")]
fn f() {}

fn main() {}
