use wasp_core::virtine;

#[virtine]
extern "C" fn f() {}

fn main() {}
