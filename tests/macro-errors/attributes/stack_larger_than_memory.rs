use wasp_core::virtine;

#[virtine(memory = "1MiB", stack = "2MiB")]
fn f() {}

fn main() {}
