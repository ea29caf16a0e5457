use wasp_core::virtine;

#[virtine(limits(handles = "1MiB", cpu = 3))]
fn f() {}

fn main() {}
