//! A word of memory, whatever is in it.

use core::arch::asm;

/// The first eight bytes of an item, some of which may be padding.
///
/// # Safety
///
/// As many bytes are the item's.
#[inline(always)]
pub(crate) unsafe fn read<T>(item: *const T) -> *const u8 {
    let word: *const u8;
    // SAFETY: reads as many bytes as there are, says the caller. Not in Rust, since nothing may be read there of bytes
    // that are padding; here it gives some number.
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
