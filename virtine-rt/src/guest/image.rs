//! Where the guest's own image lies.

use core::ops::Range;

unsafe extern "C" {
    /// Where the linker has put the first byte of the program.
    static __executable_start: u8;
    /// Where it has put the end.
    static _end: u8;
}

/// The addresses of code, constants and statics.
pub(super) fn image() -> Range<usize> {
    (&raw const __executable_start).addr()..(&raw const _end).addr()
}
