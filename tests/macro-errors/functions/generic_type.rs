use wasp_core::virtine;

#[virtine]
fn f<T: Copy>(value: T) {}

fn main() {}
