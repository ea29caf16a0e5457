//! The default binary, with functions and modules named like the library's.

use wasp_core::virtine;

mod inline;
mod shared;

const NUMBER: u32 = 200;

#[virtine]
fn same(x: u32) -> u32 {
    NUMBER + x
}

mod deep {
    pub mod inner {
        use wasp_core::virtine;

        #[virtine]
        pub fn same(x: u32) -> u32 {
            crate::NUMBER + x + 2
        }
    }
}

fn main() {
    let library = [
        every_target::same(0),
        every_target::inline::same(0),
        every_target::deep::inner::same(0),
        every_target::moved::same(0),
        every_target::shared::number(),
    ];
    let own = [
        same(0),
        inline::same(0),
        deep::inner::same(0),
        shared::number(),
    ];
    println!("library {library:?}, binary {own:?}");
}
