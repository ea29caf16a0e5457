//! Virtines where none can be.

use wasp_core::virtine;

struct Holder;

impl Holder {
    #[virtine]
    fn associated(x: u32) -> u32 {
        x
    }
}

macro_rules! define {
    ($name:ident) => {
        #[virtine]
        fn $name(x: u32) -> u32 {
            x
        }
    };
}

define!(from_macro);

fn main() {
    mod deep {
        #[wasp_core::virtine]
        pub fn in_modules_body(x: u32) -> u32 {
            x
        }
    }
    println!("{}", deep::in_modules_body(1) + from_macro(2) + Holder::associated(3));
}
