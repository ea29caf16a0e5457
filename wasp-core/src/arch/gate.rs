//! The gate: the first code of every run that starts in a used machine.
//!
//! One page that ring 3 can execute and read, not write. It puts right what a guest before may have
//! left in the processor and the host could otherwise only set by system calls of some 6 us each: data
//! selectors, FS and GS base, and by XRSTOR every x87, MMX, SSE and AVX register, tags and control
//! words (Intel SDM vol. 1, 13.8). Then it loads the three registers that it needed for that and jumps
//! to where the guest starts. No instruction in it changes a flag.
//!
//! Selectors and bases are only written where they are not as they shall be, which is zero but for FS base,
//! by which Linux programs find their thread's data: to write one takes some 100 cycles, to
//! read one takes one. XRSTOR takes 280; where nothing but SSE is in use, as XGETBV with ECX 1 tells it
//! (13.6), zeros and LDMXCSR do the same for less.
//!
//! ```text
//! + 0x000  code
//! + 0x100  RAX, RCX, RDX and RIP of the guest's start    the host writes them before every start
//! + 0x120  FS base of the guest's start, and its negative
//! + 0x140  XSAVE area
//! ```
//!
//! A guest that jumps here by itself resets its own registers and nothing else.

use std::arch::x86_64::{__cpuid, __cpuid_count};

use kvm_bindings::{kvm_regs, kvm_xsave};
use virtine_rt::abi::PAGE_SIZE;

use crate::exit::Exception;

const START: usize = 0x100;
const FS: usize = 0x120;
const XSAVE: usize = 0x140;
const MXCSR: usize = 24;
/// All SIMD exceptions masked: MXCSR's value after reset, which XRSTOR takes from memory in any case.
const INITIAL_MXCSR: u32 = 0x1f80;

/// ```text
///       mov ecx, ds
///       jrcxz 1f
///       jmp unclean
/// 1:    mov ecx, es
///       jrcxz 2f
///       jmp unclean
/// 2:    mov ecx, fs
///       jrcxz 3f
///       jmp unclean
/// 3:    mov ecx, gs
///       jrcxz 4f
///       jmp unclean
/// 4:    rdfsbase rcx
///       mov rax, [rip + FS + 8]
///       lea rcx, [rcx + rax]
///       jrcxz 5f
///       jmp unclean
/// 5:    rdgsbase rcx
///       jrcxz clean
///       jmp unclean
/// clean:
///       mov ecx, 1
///       xgetbv
///       lea ecx, [rax - 2]
///       jrcxz sse
/// all:
///       mov eax, -1
///       mov edx, -1
///       xrstor64 [rip + XSAVE]
/// start:
///       mov rax, [rip + START]
///       mov rcx, [rip + START + 8]
///       mov rdx, [rip + START + 16]
///       jmp [rip + START + 24]
/// sse:
///       xorps xmm0, xmm0
///       xorps xmm1, xmm1
///       xorps xmm2, xmm2
///       xorps xmm3, xmm3
///       xorps xmm4, xmm4
///       xorps xmm5, xmm5
///       xorps xmm6, xmm6
///       xorps xmm7, xmm7
///       xorps xmm8, xmm8
///       xorps xmm9, xmm9
///       xorps xmm10, xmm10
///       xorps xmm11, xmm11
///       xorps xmm12, xmm12
///       xorps xmm13, xmm13
///       xorps xmm14, xmm14
///       xorps xmm15, xmm15
///       ldmxcsr [rip + XSAVE + MXCSR]
///       jmp start
/// unclean:
///       mov ecx, 0
///       mov ds, ecx
///       mov es, ecx
///       mov fs, ecx
///       mov gs, ecx
///       wrgsbase rcx
///       mov rcx, [rip + FS]
///       wrfsbase rcx
///       jmp clean
/// ```
const CODE: [u8; 229] = [
    0x8c, 0xd9, 0xe3, 5, 0xe9, 0xb9, 0, 0, 0, // ds
    0x8c, 0xc1, 0xe3, 5, 0xe9, 0xb0, 0, 0, 0, // es
    0x8c, 0xe1, 0xe3, 5, 0xe9, 0xa7, 0, 0, 0, // fs
    0x8c, 0xe9, 0xe3, 5, 0xe9, 0x9e, 0, 0, 0, // gs
    0xf3, 0x48, 0x0f, 0xae, 0xc1, 0x48, 0x8b, 5, 0xf8, 0, 0, 0, 0x48, 0x8d, 0x0c,
    1, // FS base
    0xe3, 5, 0xe9, 0x87, 0, 0, 0, 0xf3, 0x48, 0x0f, 0xae, 0xc9, 0xe3, 5, 0xe9, 0x7b, 0, 0,
    0, // GS base
    0xb9, 1, 0, 0, 0, 0x0f, 1, 0xd0, 0x8d, 0x48, 0xfe, 0xe3, 0x2d, // clean
    0xb8, 0xff, 0xff, 0xff, 0xff, 0xba, 0xff, 0xff, 0xff, 0xff, // all
    0x48, 0x0f, 0xae, 0x2d, 0xda, 0, 0, 0, 0x48, 0x8b, 5, 0x93, 0, 0, 0, 0x48, 0x8b, 0x0d, 0x94, 0,
    0, 0, // start
    0x48, 0x8b, 0x15, 0x95, 0, 0, 0, 0xff, 0x25, 0x97, 0, 0, 0, 0x0f, 0x57, 0xc0, 0x0f, 0x57, 0xc9,
    0x0f, 0x57, 0xd2, 0x0f, 0x57, 0xdb, // sse
    0x0f, 0x57, 0xe4, 0x0f, 0x57, 0xed, 0x0f, 0x57, 0xf6, 0x0f, 0x57, 0xff, 0x45, 0x0f, 0x57, 0xc0,
    0x45, 0x0f, 0x57, 0xc9, 0x45, 0x0f, 0x57, 0xd2, 0x45, 0x0f, 0x57, 0xdb, 0x45, 0x0f, 0x57, 0xe4,
    0x45, 0x0f, 0x57, 0xed, 0x45, 0x0f, 0x57, 0xf6, 0x45, 0x0f, 0x57, 0xff, 0x0f, 0xae, 0x15, 0x98,
    0, 0, 0, 0xeb, 0xa4, 0xb9, 0, 0, 0, 0, 0x8e, 0xd9, 0x8e, 0xc1, 0x8e, 0xe1, 0x8e,
    0xe9, // unclean
    0xf3, 0x48, 0x0f, 0xae, 0xd9, 0x48, 0x8b, 0x0d, 0x45, 0, 0, 0, 0xf3, 0x48, 0x0f, 0xae, 0xd1,
    0xe9, 0x62, 0xff, 0xff, 0xff,
];

/// Where `clean` and `all` start in the code: what lies between is only for processors that know XGETBV
/// with ECX 1.
const CLEAN: usize = 0x47;
const ALL: usize = 0x54;
/// `jmp` over what lies there.
const SKIP: [u8; 2] = [0xeb, (ALL - CLEAN - 2) as u8];

/// The gate of one guest, at an address of its memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    pub(crate) base: u64,
}

impl Gate {
    /// The page's contents for guests whose extended registers all start in their initial state.
    pub(crate) fn page() -> Vec<u8> {
        let mut page = vec![0; PAGE_SIZE as usize];
        page[..CODE.len()].copy_from_slice(&CODE);
        if !knows_what_is_in_use() {
            page[CLEAN..CLEAN + SKIP.len()].copy_from_slice(&SKIP);
        }
        let mxcsr = XSAVE + MXCSR;
        page[mxcsr..mxcsr + 4].copy_from_slice(&INITIAL_MXCSR.to_le_bytes());
        page
    }

    /// The same for guests that start with this FS base.
    pub(crate) fn page_for(fs_base: u64) -> Vec<u8> {
        let mut page = Self::page();
        page[FS..FS + 8].copy_from_slice(&fs_base.to_le_bytes());
        page[FS + 8..FS + 16].copy_from_slice(&fs_base.wrapping_neg().to_le_bytes());
        page
    }

    /// The same for guests whose extended registers start as these are; and where it lies.
    pub(crate) fn page_with(&self, registers: &kvm_xsave, fs_base: u64) -> (u64, Vec<u8>) {
        let mut page = Self::page_for(fs_base);
        page[CLEAN..CLEAN + SKIP.len()].copy_from_slice(&SKIP);
        let bytes = registers.region.iter().flat_map(|word| word.to_le_bytes());
        for (to, byte) in page[XSAVE..].iter_mut().zip(bytes) {
            *to = byte;
        }
        (self.base, page)
    }

    /// Where and with what the host overwrites the page before a guest starts with `registers`.
    pub(crate) fn start(&self, registers: &kvm_regs) -> (u64, [u8; 32]) {
        let kvm_regs {
            rax, rcx, rdx, rip, ..
        } = *registers;
        let mut bytes = [0; 32];
        for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip([rax, rcx, rdx, rip]) {
            *to = word.to_le_bytes();
        }
        (self.base + START as u64, bytes)
    }

    /// Whether the processor does not know an instruction of the gate's.
    pub(crate) fn is_refused(&self, exception: &Exception) -> bool {
        exception.vector == Exception::INVALID_INSTRUCTION && self.contains(exception.rip)
    }

    /// Whether the guest has not got behind the gate yet.
    pub(crate) fn contains(&self, rip: u64) -> bool {
        (self.base..self.base + PAGE_SIZE).contains(&rip)
    }
}

/// Whether XGETBV with ECX 1 tells which states are in use (Intel SDM vol. 2, CPUID, leaf 0DH, sub-leaf 1:
/// EAX bit 2). The guest's processor is the host's; what its CPUID says has no say in this.
fn knows_what_is_in_use() -> bool {
    let leaves = __cpuid(0).eax;
    leaves >= 0xd && __cpuid_count(0xd, 1).eax & 1 << 2 != 0
}
