//! The gate: the first code of every run that starts in a used machine.
//!
//! One page that ring 3 can execute and read, not write. It puts right what a guest before may have
//! left in the processor and the host could otherwise only set by system calls of some 6 us each: data
//! selectors, FS and GS base, and by XRSTOR every x87, MMX, SSE and AVX register, tags and control
//! words (Intel SDM vol. 1, 13.8). Then it loads the three registers that it needed for that and jumps
//! to where the guest starts. No instruction in it changes a flag.
//!
//! Selectors and bases are only written where they are not zero: to write one takes some 100 cycles, to
//! read one takes one.
//!
//! ```text
//! + 0x000  code
//! + 0x080  RAX, RCX, RDX and RIP of the guest's start    the host writes them before every start
//! + 0x0c0  XSAVE area
//! ```
//!
//! A guest that jumps here by itself resets its own registers and nothing else.

use kvm_bindings::{kvm_regs, kvm_xsave};
use virtine_rt::abi::PAGE_SIZE;

use crate::exit::Exception;

const START: usize = 0x80;
const XSAVE: usize = 0xc0;
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
///       jrcxz 5f
///       jmp unclean
/// 5:    rdgsbase rcx
///       jrcxz clean
///       jmp unclean
/// clean:
///       mov eax, -1
///       mov edx, -1
///       xrstor64 [rip + XSAVE]
///       mov rax, [rip + START]
///       mov rcx, [rip + START + 8]
///       mov rdx, [rip + START + 16]
///       jmp [rip + START + 24]
/// unclean:
///       mov ecx, 0
///       mov ds, ecx
///       mov es, ecx
///       mov fs, ecx
///       mov gs, ecx
///       wrfsbase rcx
///       wrgsbase rcx
///       jmp clean
/// ```
const CODE: [u8; 112] = [
    0x8c, 0xd9, 0xe3, 2, 0xeb, 0x51, // ds
    0x8c, 0xc1, 0xe3, 2, 0xeb, 0x4b, // es
    0x8c, 0xe1, 0xe3, 2, 0xeb, 0x45, // fs
    0x8c, 0xe9, 0xe3, 2, 0xeb, 0x3f, // gs
    0xf3, 0x48, 0x0f, 0xae, 0xc1, 0xe3, 2, 0xeb, 0x36, // FS base
    0xf3, 0x48, 0x0f, 0xae, 0xc9, 0xe3, 2, 0xeb, 0x2d, // GS base
    0xb8, 0xff, 0xff, 0xff, 0xff, 0xba, 0xff, 0xff, 0xff, 0xff, // clean
    0x48, 0x0f, 0xae, 0x2d, 0x84, 0, 0, 0, // xrstor64
    0x48, 0x8b, 5, 0x3d, 0, 0, 0, // rax
    0x48, 0x8b, 0x0d, 0x3e, 0, 0, 0, // rcx
    0x48, 0x8b, 0x15, 0x3f, 0, 0, 0, // rdx
    0xff, 0x25, 0x41, 0, 0, 0, // rip
    0xb9, 0, 0, 0, 0, 0x8e, 0xd9, 0x8e, 0xc1, 0x8e, 0xe1, 0x8e, 0xe9, // unclean
    0xf3, 0x48, 0x0f, 0xae, 0xd1, 0xf3, 0x48, 0x0f, 0xae, 0xd9, // bases
    0xeb, 0xba,
];

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
        let mxcsr = XSAVE + MXCSR;
        page[mxcsr..mxcsr + 4].copy_from_slice(&INITIAL_MXCSR.to_le_bytes());
        page
    }

    /// Where and with what the XSAVE area is overwritten, for guests that start with these registers.
    pub(crate) fn extended(&self, registers: &kvm_xsave) -> (u64, Vec<u8>) {
        let bytes = registers.region.iter().flat_map(|word| word.to_le_bytes());
        let address = self.base + XSAVE as u64;
        (address, bytes.take(PAGE_SIZE as usize - XSAVE).collect())
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
