//! One Linux program as its host sees it: its mappings, and all that it has set up by system calls.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use super::address_space::AddressSpace;
use super::mapping::{Own, Pages};
use super::memory::Break;
use super::signals::Signals;
use crate::Error;
use crate::arch::paging::PageTables;
use crate::doors::Stop;
use crate::memory::GuestMemory;

/// The state of a program that is no machine's and no door's.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) space: AddressSpace,
    /// What its hash maps and stack guard begin with: the same in every call from one snapshot.
    pub(crate) seed: [u8; 16],
    /// What is mapped in a machine that nothing has run in yet, and so what may hold something there.
    pub(crate) initial: Arc<AddressSpace>,
    pub(crate) heap: Break,
    pub(crate) signals: Signals,
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

/// One system call, as the registers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SystemCall {
    pub(crate) number: u64,
    pub(crate) arguments: [u64; 6],
}

/// What becomes of a program after a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It goes on, with this in RAX.
    Answer(u64),
    /// It goes on, with 0 in RAX and this as FS's base.
    SetFsBase(u64),
    /// It goes on with 0 in RAX, once FS's base is at this address.
    GetFsBase(u64),
    /// It is done.
    Exited(i32),
    /// It has ended itself by a signal.
    Killed(u8),
}

/// Why a system call has no result.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The program is told so, or its call ends.
    Stop(Stop),
    /// There is no such system call here.
    Refused(Errno),
    /// The host itself failed.
    Host(Error),
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Stop(Stop::Errno(errno))
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

impl Process {
    /// The memory and the page tables of a machine that it runs in.
    pub(crate) fn pages<'a>(
        &self,
        memory: &'a mut GuestMemory,
        tables: &'a PageTables,
    ) -> Pages<'a> {
        Pages { memory, tables }
    }

    /// The memory that is the program's own.
    pub(crate) fn own<'a>(&'a self, memory: &'a mut GuestMemory) -> Own<'a> {
        let space = &self.space;
        Own { memory, space }
    }

    /// A program of which this is mapped, with its heap behind its image.
    pub(crate) fn new(space: AddressSpace, heap: u64, stack: u64, memory: u64) -> Self {
        Self {
            seed: crate::doors::seed(),
            initial: Arc::new(space.clone()),
            space,
            heap: Break {
                start: heap,
                end: heap,
            },
            signals: Signals::default(),
            stack,
            memory,
            path: PathBuf::new(),
            directories: BTreeMap::new(),
            refused: BTreeSet::new(),
            exhausted: None,
        }
    }
}
