use wasp_core::virtine;

#[virtine]
unsafe fn f() {}

fn main() {}
