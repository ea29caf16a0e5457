//! One Linux program as its host sees it: its mappings, and all that it has set up by system calls.

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
    /// What its hash maps and stack guard begin with: the same in every call from one snapshot.
    pub(crate) seed: [u8; 16],
    /// What is mapped in a machine that nothing has run in yet.
    pub(crate) initial: Arc<AddressSpace>,
    /// What holds something there.
    pub(crate) given: InitialPages,
    pub(crate) heap: Break,
    pub(crate) signals: SignalState,
    /// Bytes of stack and of all memory, for those who ask.
    pub(crate) stack: u64,
    pub(crate) memory: u64,
    /// The program's path, for whoever asks where it lies.
    pub(crate) path: PathBuf,
    /// Where open directories lie, for paths that begin there.
    pub(crate) directories: BTreeMap<u64, PathBuf>,
    /// The numbers of system calls that were refused.
    pub(crate) refused: BTreeSet<u64>,
    /// Bytes of the last request for memory that could not be met.
    pub(crate) exhausted: Option<u64>,
}

/// Where the heap that `brk` moves the end of starts, and ends.
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

    /// A program of which this is mapped, and holds what is `given`, with its heap behind its image.
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
