use wasp_core::virtine;

#[virtine]
fn f(text: &str) -> Option<&str> {
    Some(text)
}

fn main() {}
