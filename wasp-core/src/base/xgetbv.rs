//! XGETBV, which reads XCR0.

use std::arch::asm;

/// The extended states that the host has switched on. The processor must have OSXSAVE in its CPUID (leaf 1,
/// ECX bit 27).
pub(crate) fn xcr0() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller has found OSXSAVE, without which alone this is an invalid instruction; it reads one
    // register and touches neither memory nor stack nor flags (Intel SDM vol. 2, XGETBV).
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high,
            options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}
