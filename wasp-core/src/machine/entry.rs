//! Where and with what a guest starts to run.

/// A guest's first registers. All others are zero, or what the machine's mode wants.
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
    /// Of a function. `stack_top` is a multiple of 16; the stack pointer is as behind a `call` whose return address
    /// nobody uses (System V ABI, 3.2.2).
    pub(crate) const fn function(rip: u64, stack_top: u64, arguments: [u64; 3]) -> Self {
        Self {
            rip,
            rsp: stack_top - 8,
            arguments,
        }
    }

    /// Of a program, which finds what it needs on its stack.
    pub(crate) const fn program(rip: u64, rsp: u64) -> Self {
        Self {
            rip,
            rsp,
            arguments: [0; 3],
        }
    }
}
