use wasp_core::virtine;

struct Opaque;

#[virtine]
fn f(value: Opaque) {}

fn main() {}
