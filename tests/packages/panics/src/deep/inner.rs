use wasp_core::virtine;

#[virtine]
pub fn half(x: u32) -> u32 {
    // A comment that is no part of the guest.
    let rest = x % 2;
    assert!(rest == 0, "{x} is odd");
    x / 2
}
