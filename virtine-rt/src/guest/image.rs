//! The addresses of the guest's own constants.

use core::ops::Range;

unsafe extern "C" {
    /// The linker's symbol for the first byte of the program.
    static __executable_start: u8;
    /// The start of writable data, after everything else, from the linker script here or from libc.
    static __data_start: u8;
}

/// The addresses of code and constants, which never change.
pub(super) fn constants() -> Range<usize> {
    (&raw const __executable_start).addr()..(&raw const __data_start).addr()
}
