use wasp_core::virtine;

#[virtine]
fn f(value: &dyn std::fmt::Debug) {}

fn main() {}
