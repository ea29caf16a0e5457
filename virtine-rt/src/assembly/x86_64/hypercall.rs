//! The only way to the host: `out 0xFF, al`.

use core::arch::asm;

use crate::abi::HYPERCALL_PORT;

/// Makes the hypercall `number`, from which the host never returns.
pub(crate) fn leave(number: u64, [first, second, third]: [usize; 3]) -> ! {
    // SAFETY: the host acts on `number` and abandons this execution. If a host does not, ud2 stops control from running
    // on. Memory is published rather than declared clobbered: without `nomem` the compiler completes all earlier
    // writes.
    unsafe {
        asm!(
            "out {port}, al",
            "ud2",
            port = const HYPERCALL_PORT,
            in("rdi") number,
            in("rsi") first,
            in("rdx") second,
            in("rcx") third,
            options(noreturn, nostack),
        )
    }
}

/// Makes the hypercall `number`, which the host answers.
///
/// # Safety
///
/// If an argument is the address of memory that the hypercall fills, the caller must own that memory for writing, for
/// as many bytes as the arguments say.
pub(crate) unsafe fn ask(number: u64, [first, second, third]: [u64; 3]) -> i64 {
    let answer: u64;
    // SAFETY: the host changes only RAX and the memory that the caller vouches for. Without `nomem` the compiler treats
    // memory as read and written.
    unsafe {
        asm!(
            "out {port}, al",
            port = const HYPERCALL_PORT,
            in("rdi") number,
            in("rsi") first,
            in("rdx") second,
            in("rcx") third,
            inlateout("rax") 0_u64 => answer,
            options(nostack, preserves_flags),
        );
    }
    answer.cast_signed()
}
