use wasp_core::virtine;

#[virtine(backend = "qemu")]
fn answer() -> u32 {
    42
}

fn main() {}
