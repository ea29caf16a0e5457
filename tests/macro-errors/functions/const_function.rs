use wasp_core::virtine;

#[virtine]
const fn f() {}

fn main() {}
