//! Where a guest starts to run, and with which registers.

/// A guest's first registers. All others are zero, or what the machine's mode needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Address of the first instruction.
    pub(crate) rip: u64,
    /// The stack pointer.
    pub(crate) rsp: u64,
    /// The first three arguments of a function: RDI, RSI and RDX (System V ABI, 3.2.3).
    pub(crate) arguments: [u64; 3],
}

impl Entry {
    /// Entry of a function. `stack_top` is a multiple of 16. The stack pointer is set as after a `call` whose return
    /// address is never used (System V ABI, 3.2.2).
    pub(crate) const fn function(rip: u64, stack_top: u64, arguments: [u64; 3]) -> Self {
        Self {
            rip,
            rsp: stack_top - 8,
            arguments,
        }
    }

    /// Entry of a program, which finds its arguments on its stack.
    pub(crate) const fn program(rip: u64, rsp: u64) -> Self {
        Self {
            rip,
            rsp,
            arguments: [0; 3],
        }
    }
}
