use wasp_core::virtine;

struct S;

impl S {
    #[virtine]
    fn f(&self) {}
}

fn main() {}
