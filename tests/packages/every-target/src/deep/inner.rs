use wasp_core::virtine;

mod innermost;

#[virtine]
pub fn same(x: u32) -> u32 {
    innermost::two() + super::super::NUMBER + x
}
