//! The plan of a machine, as its user states it. Backends turn it into page tables or mappings.

use crate::memory::address_space::Region;

/// How a machine is laid out, and the mode that its guest starts in.
#[derive(Clone, Debug)]
pub(crate) enum MachinePlan {
    /// 16-bit real mode, with memory from address 0 on.
    Real16 {
        /// Bytes.
        memory: u64,
    },
    /// 32-bit protected mode without paging.
    Protected32 {
        /// Bytes.
        memory: u64,
    },
    /// 64-bit mode in ring 0. All memory is identity-mapped.
    Long64 {
        /// Bytes.
        memory: u64,
    },
    /// 64-bit mode in ring 3.
    User(UserPlan),
}

/// A guest that is confined to user mode.
#[derive(Clone, Debug)]
pub(crate) struct UserPlan {
    /// The memory that the guest may touch, in ascending order. It is identity-mapped.
    pub(crate) regions: Vec<Region>,
    /// Address of the monitor's own pages, out of the guest's reach.
    pub(crate) monitor: u64,
    /// The address after everything else.
    pub(crate) end: u64,
    /// How the guest makes requests.
    pub(crate) interface: Interface,
}

/// How a guest in user mode may make requests to its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Interface {
    /// Through hypercalls of the runtime's ABI.
    Hypercalls,
    /// Through hypercalls and Linux system calls.
    SystemCalls,
    /// Through any I/O port. The code that runs the guest decides what each port means.
    Ports,
}

/// Whether a machine starts with paging on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Paging {
    On,
    /// All memory lies below 4 GiB.
    Off,
}

/// What two machines must share for one to replace the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MachineKind {
    pub(crate) size: u64,
    pub(crate) paging: Paging,
    pub(crate) system_calls: bool,
}
