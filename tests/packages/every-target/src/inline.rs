//! The library's module of this name is inline.

use wasp_core::virtine;

#[virtine]
pub fn same(x: u32) -> u32 {
    crate::NUMBER + x + 1
}
