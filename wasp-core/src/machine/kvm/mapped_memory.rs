//! A user-mode guest's memory and the page tables that map it. The guest is stopped.

use crate::Error;
use crate::machine::kvm::x86_64::paging::{PageTables, Rights};
use crate::memory::address_space::Protection;
use crate::memory::guest_memory::GuestMemory;

/// Memory whose page protections can change.
pub(crate) struct MappedMemory<'a> {
    memory: &'a mut GuestMemory,
    tables: &'a PageTables,
}

impl<'a> MappedMemory<'a> {
    pub(crate) const fn new(memory: &'a mut GuestMemory, tables: &'a PageTables) -> Self {
        Self { memory, tables }
    }

    /// The memory.
    pub(crate) const fn memory(&self) -> &GuestMemory {
        self.memory
    }

    /// The memory.
    pub(crate) const fn memory_mut(&mut self) -> &mut GuestMemory {
        self.memory
    }

    /// Sets the guest's rights to the pages from `start` to `end`. The CPU may still hold older translations: see
    /// [`MappedMemory::drop_translations`].
    pub(crate) fn protect(&mut self, start: u64, end: u64, protection: Protection) {
        let rights = Rights::of(protection);
        self.tables.remap(self.memory, start, end, rights);
    }

    /// Drops the CPU's translations of the pages from `start` to `end`.
    pub(crate) fn drop_translations(&mut self, start: u64, end: u64) -> Result<(), Error> {
        self.memory.drop_translations(start, end)
    }

    /// Whether the guest has written the page at `page` since the machine was laid out.
    pub(crate) fn is_dirty(&self, page: u64) -> bool {
        self.tables.is_dirty(self.memory, page)
    }
}
