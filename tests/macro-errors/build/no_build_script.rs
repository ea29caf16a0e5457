use wasp_core::virtine;

#[virtine]
fn f(x: u32) -> u32 {
    x
}

fn main() {}
