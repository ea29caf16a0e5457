//! Where the guest's own constants lie.

use core::ops::Range;

unsafe extern "C" {
    /// Where the linker has put the first byte of the program.
    static __executable_start: u8;
    /// Where what can be written starts, behind all else: of the linker script here, or of libc.
    static __data_start: u8;
}

/// The addresses of code and constants, which nothing changes.
pub(super) fn constants() -> Range<usize> {
    (&raw const __executable_start).addr()..(&raw const __data_start).addr()
}
