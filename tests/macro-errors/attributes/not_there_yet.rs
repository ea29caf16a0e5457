use wasp_core::virtine;

#[virtine(allow(stdout))]
fn f() {}

fn main() {}
