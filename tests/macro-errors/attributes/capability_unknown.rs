use wasp_core::virtine;

#[virtine(allow(stdout, net, env))]
fn f() {}

fn main() {}
