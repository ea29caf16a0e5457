//! Memory whose page protections can change. The guest is stopped.

use crate::Error;
use crate::machine::{kvm, process};
use crate::memory::address_space::Protection;
use crate::memory::guest_memory::GuestMemory;

/// A user-mode guest's memory, and how it is mapped.
pub(crate) enum MappedMemory<'a> {
    /// Mapped by page tables.
    Kvm(kvm::mapped_memory::MappedMemory<'a>),
    /// By a process's mappings.
    Process(process::mapped_memory::MappedMemory<'a>),
}

impl MappedMemory<'_> {
    /// The memory.
    pub(crate) const fn memory(&self) -> &GuestMemory {
        match self {
            Self::Kvm(mapped) => mapped.memory(),
            Self::Process(mapped) => mapped.memory(),
        }
    }

    /// The memory.
    pub(crate) const fn memory_mut(&mut self) -> &mut GuestMemory {
        match self {
            Self::Kvm(mapped) => mapped.memory_mut(),
            Self::Process(mapped) => mapped.memory_mut(),
        }
    }

    /// Has the guest find the pages from `start` to `end` with these rights. What the processor knows of them may be
    /// older: see [`MappedMemory::drop_translations`].
    pub(crate) fn protect(
        &mut self,
        start: u64,
        end: u64,
        protection: Protection,
    ) -> Result<(), Error> {
        match self {
            Self::Kvm(mapped) => {
                mapped.protect(start, end, protection);
                Ok(())
            }
            Self::Process(mapped) => mapped.protect(start, end, protection),
        }
    }

    /// Drops the CPU's translations of the pages from `start` to `end`.
    pub(crate) fn drop_translations(&mut self, start: u64, end: u64) -> Result<(), Error> {
        match self {
            Self::Kvm(mapped) => mapped.drop_translations(start, end),
            // The kernel has done so.
            Self::Process(_) => Ok(()),
        }
    }

    /// Whether the length of a range makes no difference: the kernel changes all of it by one system call. Page tables
    /// are written entry by entry.
    pub(crate) const fn takes_any_length(&self) -> bool {
        matches!(self, Self::Process(_))
    }

    /// The pages between two addresses, in ascending order, that were written since the machine was laid out.
    pub(crate) fn dirty_pages(&self, start: u64, end: u64) -> Result<Vec<u64>, Error> {
        match self {
            Self::Kvm(mapped) => Ok(mapped.dirty_pages(start, end)),
            Self::Process(mapped) => mapped.dirty_pages(start, end),
        }
    }
}
