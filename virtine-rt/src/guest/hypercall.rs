//! The one door to the host: `out 0xFF, al`.

use core::arch::asm;

use crate::abi::HYPERCALL_PORT;

/// Makes the hypercall `number`, from which the host never returns.
pub(super) fn leave(number: u64, first: usize, second: usize) -> ! {
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
            options(noreturn, nostack),
        )
    }
}
