//! A user-mode guest's memory and the page tables that map it. The guest is stopped.

use virtine_rt::abi::PAGE_SIZE;

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

    /// The pages between two addresses, in ascending order, that guest or host have written since the machine was laid
    /// out.
    pub(crate) fn dirty_pages(&self, start: u64, end: u64) -> Vec<u64> {
        let mut written = self.memory.written_between(start, end);
        written.sort_unstable();
        let pages = (start..end).step_by(PAGE_SIZE as usize);
        pages
            .filter(|page| {
                self.tables.is_dirty(self.memory, *page) || written.binary_search(page).is_ok()
            })
            .collect()
    }
}
