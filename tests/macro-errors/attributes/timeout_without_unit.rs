use wasp_core::virtine;

#[virtine(timeout = "50")]
fn f() {}

fn main() {}
