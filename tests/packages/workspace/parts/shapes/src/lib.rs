//! A member that others depend on by path.

use wasp_core::virtine;

#[virtine]
pub fn area(width: u32) -> u32 {
    assert!(width > 0, "no width");
    width * width
}
