use wasp_core::virtine;

struct Opaque;

#[virtine]
fn f() -> Opaque {
    Opaque
}

fn main() {}
