//! The gate's code, which is copied into a guest's page.
//!
//! Position-independent: it reaches the rest of its page relative to RIP, and is never run here.

use std::arch::naked_asm;

/// Offset of the code after the write of PKRU.
pub(super) const BODY: usize = 0x40;
/// RAX, RCX, RDX and RIP of the guest's start.
pub(super) const START: usize = 0x140;
/// FS base at the guest's start, and its negative.
pub(super) const FS: usize = 0x160;
/// The XSAVE area.
pub(super) const XSAVE: usize = 0x180;
/// MXCSR in that area.
pub(super) const MXCSR: usize = XSAVE + 24;

/// Bytes before [`START`]: the code, and after it the offsets of `clean` and `all`.
const LENGTH: usize = START;

/// The code, and padding.
pub(super) fn bytes() -> &'static [u8; LENGTH] {
    let start = assembled as unsafe extern "C" fn();
    // SAFETY: `assembled` is padded to this many bytes, which the program can read and nothing writes.
    unsafe { &*(start as *const [u8; LENGTH]) }
}

/// Offset of `clean`. The code from there to [`all`] is only for CPUs that support XGETBV with ECX 1.
pub(super) fn clean() -> usize {
    bytes()[LENGTH - 2].into()
}

/// Offset of `all`.
pub(super) fn all() -> usize {
    bytes()[LENGTH - 1].into()
}

#[unsafe(naked)]
unsafe extern "C" fn assembled() {
    naked_asm!(
        // All keys allow all accesses.
        "mov ecx, 0",
        "mov eax, 0",
        "mov edx, 0",
        "wrpkru",
        "jmp 20f",
        ".skip {BODY} - (. - {gate}), 0xcc",
        "20:",
        "mov ecx, ds",
        "jrcxz 21f",
        "jmp 34f",
        "21:",
        "mov ecx, es",
        "jrcxz 22f",
        "jmp 34f",
        "22:",
        "mov ecx, fs",
        "jrcxz 23f",
        "jmp 34f",
        "23:",
        "mov ecx, gs",
        "jrcxz 24f",
        "jmp 34f",
        "24:",
        "rdfsbase rcx",
        "mov rax, [rip + {gate} + {FS} + 8]",
        "lea rcx, [rcx + rax]",
        "jrcxz 25f",
        "jmp 34f",
        "25:",
        "rdgsbase rcx",
        "jrcxz 30f",
        "jmp 34f",
        // clean: selectors and bases have the wanted values.
        "30:",
        "mov ecx, 1",
        "xgetbv",
        "lea ecx, [rax - 2]",
        "jrcxz 33f",
        // all: more than SSE is in use.
        "31:",
        "mov eax, -1",
        "mov edx, -1",
        "xrstor64 [rip + {gate} + {XSAVE}]",
        // start
        "32:",
        "mov rax, [rip + {gate} + {START}]",
        "mov rcx, [rip + {gate} + {START} + 8]",
        "mov rdx, [rip + {gate} + {START} + 16]",
        "jmp qword ptr [rip + {gate} + {START} + 24]",
        // sse: nothing else is in use.
        "33:",
        "xorps xmm0, xmm0",
        "xorps xmm1, xmm1",
        "xorps xmm2, xmm2",
        "xorps xmm3, xmm3",
        "xorps xmm4, xmm4",
        "xorps xmm5, xmm5",
        "xorps xmm6, xmm6",
        "xorps xmm7, xmm7",
        "xorps xmm8, xmm8",
        "xorps xmm9, xmm9",
        "xorps xmm10, xmm10",
        "xorps xmm11, xmm11",
        "xorps xmm12, xmm12",
        "xorps xmm13, xmm13",
        "xorps xmm14, xmm14",
        "xorps xmm15, xmm15",
        "ldmxcsr [rip + {gate} + {MXCSR}]",
        "jmp 32b",
        // unclean
        "34:",
        "mov ecx, 0",
        "mov ds, ecx",
        "mov es, ecx",
        "mov fs, ecx",
        "mov gs, ecx",
        "wrgsbase rcx",
        "mov rcx, [rip + {gate} + {FS}]",
        "wrfsbase rcx",
        "jmp 30b",
        ".skip {LENGTH} - 2 - (. - {gate}), 0xcc",
        ".byte 30b - {gate}, 31b - {gate}",
        gate = sym assembled,
        BODY = const BODY,
        FS = const FS,
        START = const START,
        XSAVE = const XSAVE,
        MXCSR = const MXCSR,
        LENGTH = const LENGTH,
    )
}
