//! One Linux program from the host's side: its mappings, and everything it has set up by system calls.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::linux::initial_pages::InitialPages;
use crate::linux::mapping::LinuxGuestMemory;
use crate::linux::signal_state::SignalState;
use crate::memory::address_space::AddressSpace;
use crate::memory::guest_memory::GuestMemory;

/// The state of a program that belongs neither to the machine nor to a capability.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) space: AddressSpace,
    /// The seed of its hash maps and stack guard. It is the same in every call from one snapshot.
    pub(crate) seed: [u8; 16],
    /// The mappings of a machine in which nothing has run yet.
    pub(crate) initial: Arc<AddressSpace>,
    /// The pages that have contents there.
    pub(crate) given: InitialPages,
    pub(crate) heap: Break,
    pub(crate) signals: SignalState,
    /// Bytes of stack and of all memory, for system calls that query them.
    pub(crate) stack: u64,
    pub(crate) memory: u64,
    /// The program's path, for system calls that query it.
    pub(crate) path: PathBuf,
    /// Paths of open directories, for relative paths.
    pub(crate) directories: BTreeMap<u64, PathBuf>,
    /// The numbers of system calls that were refused.
    pub(crate) refused: BTreeSet<u64>,
    /// The size in bytes of the last memory request that failed.
    pub(crate) exhausted: Option<u64>,
}

/// Start and end of the heap that `brk` moves the end of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Break {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Process {
    /// The memory that is the program's own.
    pub(crate) fn own<'a>(&'a self, memory: &'a mut GuestMemory) -> LinuxGuestMemory<'a> {
        let space = &self.space;
        LinuxGuestMemory { memory, space }
    }

    /// A program with these mappings and initial contents `given`, and its heap after its image.
    pub(crate) fn new(
        space: AddressSpace,
        given: InitialPages,
        heap: u64,
        stack: u64,
        memory: u64,
    ) -> Self {
        Self {
            seed: crate::host::random::seed(),
            initial: Arc::new(space.clone()),
            space,
            given,
            heap: Break {
                start: heap,
                end: heap,
            },
            signals: SignalState::default(),
            stack,
            memory,
            path: PathBuf::new(),
            directories: BTreeMap::new(),
            refused: BTreeSet::new(),
            exhausted: None,
        }
    }
}
