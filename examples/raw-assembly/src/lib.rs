//! Guests in assembly, which the compiler itself assembles, in 16-, 32- or 64-bit mode.

pub mod image;

guest! {
    /// Wasp's guest: exits at once. Runs in any mode, at any address.
    pub EXIT = "
        .code16
        out 0xfa, eax
    "
}

guest! {
    /// Asks the host for the square of 12 and exits with the answer in EAX. For real mode, at any address.
    pub SQUARE = "
        .code16
        mov edi, 12
        out 0xff, al
        out 0xfa, al
    "
}

/// The host's answer to [`SQUARE`]'s hypercall.
pub fn answer(registers: &mut wasp_core::Registers) {
    registers.rax = registers.rdi.wrapping_mul(registers.rdi);
}
