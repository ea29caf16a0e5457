//! The entry page for system calls, for guests that are Linux programs.
//!
//! `syscall` jumps to LSTAR. On a CPU with hardware virtualization, it enters ring 0 (Intel SDM vol. 2, SYSCALL). A KVM
//! without it (kvm_pvm) stays in ring 3. So ring 3 must be able to execute the page, and the code must work in both
//! rings. It asks the host, by one `out`, and returns in the way that suits the ring it runs in.
//!
//! ```text
//!       out 0xfd, al             the host puts the answer into RAX
//!       verr [rip + selector]    of a segment for ring 0: ZF tells that CS is ring 0's
//!       jnz 1f
//!       sysretq
//! 1:    lea rsp, [rsp - 128]     the red zone (System V ABI, 3.2.2)
//!       push r11
//!       popfq                    as SYSRET would
//!       lea rsp, [rsp + 128]
//!       jmp rcx
//! ```
//!
//! A guest can do nothing with ring 0 here: the only code that runs there is the first four instructions. They write no
//! memory, read none of the guest's, and use no stack, whatever RSP holds. RFLAGS arrives with TF, NT, AC, DF and IF
//! cleared (FMASK), so nothing stops between them. An exception would find its own stack by the IDT. `sysretq` loads
//! ring 3's CS and SS from STAR, and loads RFLAGS without a way to change the ring. A guest that jumps here by itself
//! is still in ring 3, where `verr` sends it to the second half. A guest that makes the `out` itself makes a system
//! call.

use kvm_bindings::{Msrs, kvm_msr_entry};
use virtine_rt::abi::{PAGE_SIZE, SYSTEM_CALL_PORT};

use crate::machine::kvm::x86_64::selectors::{KERNEL_CODE, KERNEL_DATA};

const CODE: [u8; 32] = [
    0xe6,
    SYSTEM_CALL_PORT as u8, // out
    0x0f,
    0x00,
    0x25,
    0x37,
    0,
    0,
    0, // verr
    0x75,
    0x03,
    0x48,
    0x0f,
    0x07, // jnz, sysretq
    0x48,
    0x8d,
    0x64,
    0x24,
    0x80,
    0x41,
    0x53,
    0x9d, // lea, push, popfq
    0x48,
    0x8d,
    0xa4,
    0x24,
    0x80,
    0,
    0,
    0, // lea
    0xff,
    0xe1, // jmp
];
/// Offset of the selector that `verr` reads.
const SELECTOR: usize = 0x40;

/// Selector base with which `sysret` returns into ring 3: CS is 16 above, SS is 8 above (AMD APM vol. 2, 6.1.1).
const SYSRET_BASE: u64 = 0x10 | 3;

const STAR: u32 = 0xc000_0081;
const LSTAR: u32 = 0xc000_0082;
const FMASK: u32 = 0xc000_0084;
/// TF, IF, DF, NT and AC.
const MASKED_FLAGS: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 18;

/// The entry page of one guest, at an address in its memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemCalls {
    pub(crate) base: u64,
}

impl SystemCalls {
    /// The MSRs that set up `syscall`.
    pub(crate) fn msrs(self) -> Msrs {
        let entry = |index, data| kvm_msr_entry {
            index,
            data,
            ..Default::default()
        };
        let entries = [
            entry(STAR, SYSRET_BASE << 48 | u64::from(KERNEL_CODE) << 32),
            entry(LSTAR, self.base),
            entry(FMASK, MASKED_FLAGS),
        ];
        Msrs::from_entries(&entries).expect("three are fewer than KVM's limit")
    }
}

/// The page's contents.
pub(super) fn page() -> Vec<u8> {
    let mut page = vec![0; PAGE_SIZE as usize];
    page[..CODE.len()].copy_from_slice(&CODE);
    page[SELECTOR..SELECTOR + 2].copy_from_slice(&KERNEL_DATA.to_le_bytes());
    page
}
