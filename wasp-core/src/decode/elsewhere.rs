//! Bytes that a value names instead of containing: runs of the guest's memory, which are copied before they are read.

use std::cell::Cell;
use std::mem::MaybeUninit;

use elsa::FrozenVec;

/// The memory that is the guest's own.
pub(crate) trait Memory {
    /// Whether the guest may name the `length` bytes at `address`.
    fn owns(&self, address: u64, length: u64) -> bool;

    /// Copies the bytes at `address`, which the guest owns, into all of `to`, and returns `to`.
    fn copy<'t>(&self, address: u64, to: &'t mut [MaybeUninit<u8>]) -> Option<&'t mut [u8]>;
}

/// Copies of runs, kept until the value is complete.
pub(crate) type Copies = FrozenVec<Box<[u8]>>;

/// The memory of the guest that the bytes come from, if they may name any.
pub(crate) struct Elsewhere<'b> {
    memory: Option<(&'b dyn Memory, &'b Copies)>,
    /// Bytes that may still be copied.
    left: Cell<u64>,
}

impl<'b> Elsewhere<'b> {
    /// For values that may not name memory.
    pub(crate) const fn nowhere() -> Self {
        Self {
            memory: None,
            left: Cell::new(0),
        }
    }

    /// For values that may name this memory. At most `limit` bytes are kept at a time in `copies`.
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

    /// Copies bytes from `offset` bytes after the start of what is named.
    pub(super) fn copy<'t>(
        &self,
        name: Name,
        offset: usize,
        to: &'t mut [MaybeUninit<u8>],
    ) -> Option<&'t mut [u8]> {
        let (memory, _) = self.memory?;
        memory.copy(name.address + offset as u64, to)
    }

    /// Keeps a copy of a run. `None` if too many bytes are kept already.
    pub(super) fn keep(&self, copy: Vec<u8>) -> Option<&'b [u8]> {
        let (_, copies) = self.memory?;
        let left = self.left.get().checked_sub(copy.len() as u64)?;
        self.left.set(left);
        Some(copies.push_get(copy.into_boxed_slice()))
    }

    /// Bytes that may still be kept.
    pub(super) const fn left(&self) -> u64 {
        self.left.get()
    }
}

/// A range of guest memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    /// A guest address.
    pub(super) address: u64,
    /// Length in bytes.
    pub(super) length: u64,
}
