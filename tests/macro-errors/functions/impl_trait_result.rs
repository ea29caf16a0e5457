use wasp_core::virtine;

#[virtine]
fn f() -> impl Iterator<Item = u8> {
    [1].into_iter()
}

fn main() {}
