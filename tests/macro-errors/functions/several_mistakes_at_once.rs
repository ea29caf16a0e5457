use wasp_core::virtine;

#[virtine(timeout = "soon")]
async fn f<T>(value: &mut T) -> &str {
    ""
}

fn main() {}
