use wasp_core::virtine;

#[virtine]
struct S;

fn main() {}
