use wasp_core::virtine;

#[virtine(memory = "8MiB", memory = "8MiB")]
fn f() {}

fn main() {}
