//! What bytes name in place of holding it: runs of the guest's memory, which are copied before they are looked at.

use std::cell::Cell;
use std::mem::MaybeUninit;

use elsa::FrozenVec;

/// The guest's memory, as far as it is the guest's own.
pub(crate) trait Memory {
    /// Whether the guest may name the `length` bytes at `address`.
    fn owns(&self, address: u64, length: u64) -> bool;

    /// Copies the bytes at `address`, which it owns, into all of `to`, which it returns.
    fn copy<'t>(&self, address: u64, to: &'t mut [MaybeUninit<u8>]) -> Option<&'t mut [u8]>;
}

/// Copies of runs, kept until the value that is made of them is there.
pub(crate) type Copies = FrozenVec<Box<[u8]>>;

/// The memory of the guest that the bytes come from, if they may name any.
pub(crate) struct Elsewhere<'b> {
    memory: Option<(&'b dyn Memory, &'b Copies)>,
    /// Bytes that may be copied yet.
    left: Cell<u64>,
}

impl<'b> Elsewhere<'b> {
    /// Where nothing may be named.
    pub(crate) const fn nowhere() -> Self {
        Self {
            memory: None,
            left: Cell::new(0),
        }
    }

    /// In this memory, of which at most `limit` bytes are kept at a time in `copies`.
    pub(crate) const fn of(memory: &'b dyn Memory, copies: &'b Copies, limit: u64) -> Self {
        Self {
            memory: Some((memory, copies)),
            left: Cell::new(limit),
        }
    }

    /// Whether the guest may name this.
    pub(super) fn owns(&self, Name { address, length }: Name) -> bool {
        self.memory
            .is_some_and(|(memory, _)| memory.owns(address, length))
    }

    /// Copies what lies `offset` bytes behind the start of what is named.
    pub(super) fn copy<'t>(
        &self,
        name: Name,
        offset: usize,
        to: &'t mut [MaybeUninit<u8>],
    ) -> Option<&'t mut [u8]> {
        let (memory, _) = self.memory?;
        memory.copy(name.address + offset as u64, to)
    }

    /// Keeps a copy of a run, of which there is none if too many bytes are kept already.
    pub(super) fn keep(&self, copy: Vec<u8>) -> Option<&'b [u8]> {
        let (_, copies) = self.memory?;
        let left = self.left.get().checked_sub(copy.len() as u64)?;
        self.left.set(left);
        Some(copies.push_get(copy.into_boxed_slice()))
    }

    /// Bytes that may be kept yet.
    pub(super) const fn left(&self) -> u64 {
        self.left.get()
    }
}

/// Where bytes lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    /// A guest address.
    pub(super) address: u64,
    /// How many bytes.
    pub(super) length: u64,
}
