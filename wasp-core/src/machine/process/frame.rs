//! The frame that the kernel writes for a signal: what a guest's registers were (arch/x86/include/uapi/asm/sigcontext.h).

use crate::base::exit::Exception;
use crate::base::registers::Registers;
use crate::machine::process::control::Control;
use crate::machine::process::layout::{SIGNAL_STACK, SIGNAL_STACK_SIZE};

/// Where in `struct ucontext` the registers are.
const REGISTERS: u64 = 40;
/// Where the siginfo is, which follows the ucontext (arch/x86/include/asm/sigframe.h, struct rt_sigframe).
const INFO: u64 = 304;
/// Their number: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags, selectors, error code, vector, mask,
/// cr2, and the pointer to the extended registers.
const WORDS: usize = 24;
/// The selector of 64-bit user code.
const USER_CODE: u64 = 0x33;
/// What a flags register may hold of a guest's: the arithmetic flags, DF, AC and ID.
const GUEST_FLAGS: u64 = 0x24_0cd5;
/// Bit 1 is always set, and interrupts are on.
const FIXED_FLAGS: u64 = 0x202;

/// What stands in a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// The general registers.
    pub(super) registers: Registers,
    /// The signal.
    pub(super) signal: i32,
    /// Who has sent it: positive for the kernel.
    pub(super) code: i32,
    /// The vector of the exception, if it was one.
    vector: u64,
    error_code: u64,
    address: u64,
    /// Where in the signal stack the extended registers are.
    pub(super) extended: u64,
    /// The guest ran 64-bit code.
    pub(super) is_64_bit: bool,
}

impl Frame {
    /// The frame whose ucontext is at this address. `None` where no frame can be there: a guest can jump to the door.
    #[inline]
    pub(super) fn read(control: &Control, context: u64) -> Option<Self> {
        let mut info = [0; 12];
        control.signal_stack(context.checked_add(INFO)?, &mut info)?;
        let [signal, _, code] = [0, 4, 8].map(|at| {
            let word = info.get(at..).and_then(<[u8]>::first_chunk);
            word.map_or(0, |word| i32::from_le_bytes(*word))
        });
        let mut bytes = [0; WORDS * 8];
        control.signal_stack(context.checked_add(REGISTERS)?, &mut bytes)?;
        let (words, _) = bytes.as_chunks::<8>();
        let word = |number: usize| {
            words
                .get(number)
                .map_or(0, |word| u64::from_le_bytes(*word))
        };
        let extended = word(23);
        let stack = SIGNAL_STACK..SIGNAL_STACK + SIGNAL_STACK_SIZE;
        if !stack.contains(&extended) || !extended.is_multiple_of(64) {
            return None;
        }
        Some(Self {
            registers: Registers {
                r8: word(0),
                r9: word(1),
                r10: word(2),
                r11: word(3),
                r12: word(4),
                r13: word(5),
                r14: word(6),
                r15: word(7),
                rdi: word(8),
                rsi: word(9),
                rbp: word(10),
                rbx: word(11),
                rdx: word(12),
                rax: word(13),
                rcx: word(14),
                rsp: word(15),
                rip: word(16),
                rflags: Self::flags(word(17)),
            },
            signal,
            code,
            vector: word(20),
            error_code: word(19),
            address: word(22),
            extended,
            is_64_bit: word(18) & 0xffff == USER_CODE,
        })
    }

    /// Flags as a guest may have them.
    #[inline]
    pub(super) const fn flags(flags: u64) -> u64 {
        flags & GUEST_FLAGS | FIXED_FLAGS
    }

    /// Whether an exception of the processor's brought the guest here, or another architecture's system call.
    pub(super) const fn is_exception(&self) -> bool {
        self.code > 0
    }

    /// Whether the guest made one of the two system calls that no filter sees, `uretprobe` and `uprobe`. Their callers
    /// get this signal, unless they are trampolines of the kernel's (kernel/seccomp.c; arch/x86/kernel/uprobes.c).
    pub(super) const fn is_unfiltered_call(&self) -> bool {
        const SI_KERNEL: i32 = 0x80;
        self.signal == libc::SIGILL && self.code == SI_KERNEL
    }

    /// The exception. What another architecture's system call is reported as, is what KVM's guests get for `int 0x80`:
    /// a general protection fault with the vector's index in the error code (Intel SDM vol. 3, 7.13).
    pub(super) const fn exception(&self) -> Exception {
        const GENERAL_PROTECTION: u8 = 13;
        const INT_80: u64 = 0x80 << 3 | 2;
        const NOT_AVAILABLE: u8 = 7;
        const ILLEGAL_OPCODE: i32 = 1;
        let Registers { rip, rsp, .. } = self.registers;
        let (vector, error_code, rip) = match (self.signal, self.code) {
            (libc::SIGSYS, _) => (GENERAL_PROTECTION, INT_80, rip.wrapping_sub(2)),
            // Of a state that the process has not asked for, AMX's tiles, the kernel tells no vector.
            (libc::SIGILL, ILLEGAL_OPCODE) => (NOT_AVAILABLE, 0, rip),
            _ => (self.vector as u8, self.error_code, rip),
        };
        Exception {
            vector,
            error_code,
            rip,
            rsp,
            address: self.address,
            place: None,
            overflowed_stack: None,
        }
    }

    /// Whether it is a general protection fault without an error code, as accesses to ports are.
    pub(super) const fn may_be_port_access(&self) -> bool {
        self.signal == libc::SIGSEGV && self.vector == 13 && self.error_code == 0 && self.is_64_bit
    }
}
