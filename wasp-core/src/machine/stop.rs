//! Why a machine stopped.

use crate::base::ended::Ended;
use crate::base::exit::{Direction, Fault};
use crate::base::hypercall::Hypercall;

/// Why a guest stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It made a hypercall of the runtime's ABI.
    Hypercall(Hypercall),
    /// It made a system call.
    SystemCall(SystemCall),
    /// It accessed an I/O port, which is allowed under [`Interface::Ports`](super::plan::Interface::Ports) and in ring
    /// 0.
    Port(PortAccess),
    /// It executed `hlt`, in ring 0.
    Halted,
    /// A signal arrived for this thread.
    Interrupted,
    /// It was ended from outside.
    Ended(Ended),
    /// It did something after which it cannot continue.
    Fault(Fault),
}

/// A system call, as the registers show it (System V ABI, A.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SystemCall {
    pub(crate) number: u64,
    pub(crate) arguments: [u64; 6],
}

/// An access to an I/O port: the fields of [`Exit::Hypercall`](crate::Exit::Hypercall).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortAccess {
    pub(crate) port: u16,
    pub(crate) direction: Direction,
    pub(crate) width: u8,
    pub(crate) count: u32,
    pub(crate) data: u32,
}
