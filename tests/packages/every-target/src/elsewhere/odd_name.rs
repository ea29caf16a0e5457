use wasp_core::virtine;

mod neighbour;

#[virtine]
pub fn same(x: u32) -> u32 {
    neighbour::three() + crate::NUMBER + x
}
