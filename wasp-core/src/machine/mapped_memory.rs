//! Memory whose page protections can change. The guest is stopped.

use crate::Error;
use crate::machine::kvm;
use crate::memory::address_space::Protection;
use crate::memory::guest_memory::GuestMemory;

/// A user-mode guest's memory, and how it is mapped.
pub(crate) enum MappedMemory<'a> {
    /// Mapped by page tables.
    Kvm(kvm::mapped_memory::MappedMemory<'a>),
}

impl MappedMemory<'_> {
    /// The memory.
    pub(crate) const fn memory(&self) -> &GuestMemory {
        match self {
            Self::Kvm(mapped) => mapped.memory(),
        }
    }

    /// The memory.
    pub(crate) const fn memory_mut(&mut self) -> &mut GuestMemory {
        match self {
            Self::Kvm(mapped) => mapped.memory_mut(),
        }
    }

    /// Sets the guest's rights to the pages from `start` to `end`. The CPU may still hold older translations: see
    /// [`MappedMemory::drop_translations`].
    pub(crate) fn protect(&mut self, start: u64, end: u64, protection: Protection) {
        match self {
            Self::Kvm(mapped) => mapped.protect(start, end, protection),
        }
    }

    /// Drops the CPU's translations of the pages from `start` to `end`.
    pub(crate) fn drop_translations(&mut self, start: u64, end: u64) -> Result<(), Error> {
        match self {
            Self::Kvm(mapped) => mapped.drop_translations(start, end),
        }
    }

    /// Whether the guest has written the page at `page` since the machine was laid out.
    pub(crate) fn is_dirty(&self, page: u64) -> bool {
        match self {
            Self::Kvm(mapped) => mapped.is_dirty(page),
        }
    }
}
