//! What a machine is to be, as whoever wants one says it. Backends make page tables or mappings of it.

use crate::memory::address_space::Region;

/// How a machine is laid out, and the mode that its guest starts in.
#[derive(Clone, Debug)]
pub(crate) enum MachinePlan {
    /// 16-bit real mode, with so many bytes of memory from address 0 on.
    Real16 {
        /// Bytes.
        memory: u64,
    },
    /// 32-bit protected mode without paging.
    Protected32 {
        /// Bytes.
        memory: u64,
    },
    /// 64-bit mode in ring 0. All memory is mapped onto itself.
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
    /// What the guest may touch, by rising address: memory is mapped onto itself.
    pub(crate) regions: Vec<Region>,
    /// Where the monitor's own pages lie, out of the guest's reach.
    pub(crate) monitor: u64,
    /// Behind everything else.
    pub(crate) end: u64,
    /// How the guest asks for something.
    pub(crate) interface: Interface,
}

/// How a guest in user mode may ask its host for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Interface {
    /// By hypercalls of the runtime's ABI.
    Hypercalls,
    /// By those, and by Linux's system calls.
    SystemCalls,
    /// By any I/O port: whoever runs the guest decides what each one means.
    Ports,
}

/// Whether a machine starts with paging on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Paging {
    On,
    /// All memory then lies below 4 GiB.
    Off,
}

/// What two machines must have in common for one to take the other's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MachineKind {
    pub(crate) size: u64,
    pub(crate) paging: Paging,
    pub(crate) system_calls: bool,
}
