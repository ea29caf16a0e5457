use wasp_core::virtine;

#[virtine]
async fn f() {}

fn main() {}
