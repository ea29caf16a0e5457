//! Reads a word of memory with any contents.

use core::arch::asm;

/// The first eight bytes of an item, some of which may be padding.
///
/// # Safety
///
/// The item has at least that many bytes.
#[inline(always)]
pub(crate) unsafe fn read<T>(item: *const T) -> *const u8 {
    let word: *const u8;
    // SAFETY: reads as many bytes as exist, according to the caller. It is not in Rust, where padding bytes may not be
    // read; here they give some number.
    unsafe {
        asm!(
            "mov {word}, [{item}]",
            word = out(reg) word,
            item = in(reg) item,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    word
}
