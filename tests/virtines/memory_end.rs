//! The end of memory of a guest with the default sizes, which depends on the size of the image.

use std::hint::black_box;

use wasp_core::virtine;

const PAGE: u64 = 0x1000;
const STACK: u64 = 1 << 20;
const MEMORY: u64 = 16 << 20;

/// An address in the topmost page of the stack.
#[virtine]
fn stack_address() -> u64 {
    let local = 0_u8;
    black_box(&raw const local) as u64
}

/// The first address after the memory of such a guest: a guard page and the rest follow the stack.
pub(crate) fn memory_end() -> u64 {
    let stack_top = stack_address().next_multiple_of(PAGE);
    stack_top - STACK - PAGE + MEMORY
}
