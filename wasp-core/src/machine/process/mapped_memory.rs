//! A guest's memory and its process's mappings, while the guest stands still.

use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::machine::process::machine::ProcessMachine;
use crate::memory::address_space::Protection;
use crate::memory::guest_memory::GuestMemory;
use crate::memory::runs::Runs;

/// Memory whose pages can be mapped otherwise.
pub(crate) struct MappedMemory<'a>(&'a mut ProcessMachine);

impl<'a> MappedMemory<'a> {
    pub(crate) const fn new(machine: &'a mut ProcessMachine) -> Self {
        Self(machine)
    }

    /// The memory.
    pub(crate) const fn memory(&self) -> &GuestMemory {
        self.0.memory()
    }

    /// The memory.
    pub(crate) const fn memory_mut(&mut self) -> &mut GuestMemory {
        self.0.memory_mut()
    }

    /// Has the guest find the pages from `start` to `end` with these rights.
    pub(crate) fn protect(
        &mut self,
        start: u64,
        end: u64,
        protection: Protection,
    ) -> Result<(), Error> {
        self.0.protect(start, end, protection)
    }

    /// The pages between two addresses that were written since the machine was made.
    pub(crate) fn dirty_pages(&self, start: u64, end: u64) -> Result<Vec<u64>, Error> {
        debug_assert!(start.is_multiple_of(PAGE_SIZE));
        let mut runs = Runs::default();
        self.0.dirty_between(start, end, &mut runs)?;
        Ok(runs.each_page().collect())
    }
}
