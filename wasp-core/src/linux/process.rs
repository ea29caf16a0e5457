//! One Linux program as its host sees it: its mappings, and all that it has set up by system calls.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;
use virtine_rt::abi::PAGE_SIZE;

use super::address_space::AddressSpace;
use super::mapping::Own;
use super::memory::Break;
use super::signals::Signals;
use crate::Error;
use crate::doors::Stop;
use crate::memory::GuestMemory;
use crate::watchdog::Ended;

/// The state of a program that is no machine's and no door's.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) space: AddressSpace,
    /// What its hash maps and stack guard begin with: the same in every call from one snapshot.
    pub(crate) seed: [u8; 16],
    /// What is mapped in a machine that nothing has run in yet.
    pub(crate) initial: Arc<AddressSpace>,
    /// What holds something there.
    pub(crate) given: Given,
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

/// The pages that hold something from the start: runs in ascending order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given(pub(crate) Arc<[Range<u64>]>);

impl Given {
    /// Those from `start` to `end`.
    pub(crate) fn pages_between(&self, start: u64, end: u64) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(move |run| {
            let inside = run.start.max(start)..run.end.min(end);
            inside.step_by(PAGE_SIZE as usize)
        })
    }
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

impl From<Ended> for Trouble {
    fn from(ended: Ended) -> Self {
        Self::Stop(Stop::Ended(ended))
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

impl Process {
    /// The memory that is the program's own.
    pub(crate) fn own<'a>(&'a self, memory: &'a mut GuestMemory) -> Own<'a> {
        let space = &self.space;
        Own { memory, space }
    }

    /// A program of which this is mapped, and holds what is `given`, with its heap behind its image.
    pub(crate) fn new(
        space: AddressSpace,
        given: Given,
        heap: u64,
        stack: u64,
        memory: u64,
    ) -> Self {
        Self {
            seed: crate::doors::seed(),
            initial: Arc::new(space.clone()),
            space,
            given,
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
