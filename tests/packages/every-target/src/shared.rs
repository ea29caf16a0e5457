//! A file of two crates: the same function in the same place, with two answers.

use wasp_core::virtine;

#[virtine]
pub fn number() -> u32 {
    crate::NUMBER
}
