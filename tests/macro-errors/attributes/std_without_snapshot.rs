use wasp_core::virtine;

#[virtine(std, snapshot = false)]
fn boots_every_time() {}

fn main() {}
