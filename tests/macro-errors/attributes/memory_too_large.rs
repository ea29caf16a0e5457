use wasp_core::virtine;

#[virtine(memory = "1000GiB")]
fn f() {}

fn main() {}
