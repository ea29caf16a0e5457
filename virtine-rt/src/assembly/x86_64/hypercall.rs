//! The one way to the host: `out 0xFF, al`.

use core::arch::asm;

use crate::abi::HYPERCALL_PORT;

/// Makes the hypercall `number`, from which the host never returns.
pub(crate) fn leave(number: u64, [first, second, third]: [usize; 3]) -> ! {
    // SAFETY: the host acts on `number` and abandons this execution; ud2 stands for a host that
    // does not, so that control never runs on. Memory is not declared clobbered but is published:
    // without `nomem` the compiler finishes all writes before.
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
/// Where an argument is the address of memory that the hypercall fills, the memory is the caller's to
/// write, for as many bytes as the arguments say.
pub(crate) unsafe fn ask(number: u64, [first, second, third]: [u64; 3]) -> i64 {
    let answer: u64;
    // SAFETY: the host changes RAX and the memory that the caller vouches for, and nothing else; without
    // `nomem` the compiler takes memory as read and written.
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
