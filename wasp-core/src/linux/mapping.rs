//! A program's mappings in the page tables of its machine, and the memory behind them.

use virtine_rt::abi::PAGE_SIZE;

use super::address_space::{AddressSpace, Protection};
use crate::Error;
use crate::arch::paging::PageTables;
use crate::doors::{GuestSpace, Stop};
use crate::memory::GuestMemory;

/// A program's memory while the program stands still.
pub(crate) struct Pages<'a> {
    pub(crate) memory: &'a mut GuestMemory,
    pub(crate) tables: &'a PageTables,
}

impl Pages<'_> {
    /// Has the page tables allow `protection`. `known` tells whether the processor may know of an entry
    /// that was there before; it keeps none of what was not (Intel SDM vol. 3, 5.10.2.3).
    pub(crate) fn set(
        &mut self,
        start: u64,
        end: u64,
        protection: Protection,
        known: bool,
    ) -> Result<(), Error> {
        self.tables
            .remap(self.memory, start, end, protection.rights());
        match known {
            true => self.memory.drop_translations(start, end),
            false => Ok(()),
        }
    }

    /// Zeroes what may be something else: what the program or the host has written, and what was there
    /// from the start, as `initial` has it. All other memory is zero, and not even there.
    pub(crate) fn clear(&mut self, start: u64, end: u64, initial: &AddressSpace) {
        let mut pages = self.memory.written_between(start, end);
        let given = initial.regions_in(start, end);
        pages.extend(
            given
                .iter()
                .flat_map(|region| (region.start..region.end).step_by(PAGE_SIZE as usize)),
        );
        let dirty = (start..end).step_by(PAGE_SIZE as usize);
        pages.extend(dirty.filter(|page| self.tables.is_dirty(self.memory, *page)));
        pages.sort_unstable();
        pages.dedup();
        for page in pages {
            let _ = self.memory.write(page, &[0; PAGE_SIZE as usize]);
        }
    }

    /// Copies pages from `from` to `to`, which do not overlap, as far as they may hold something.
    pub(crate) fn copy(&mut self, from: u64, to: u64, length: u64) {
        let mut page = [0; PAGE_SIZE as usize];
        for offset in (0..length).step_by(PAGE_SIZE as usize) {
            let bytes = self.memory.bytes(from + offset, PAGE_SIZE);
            page.copy_from_slice(bytes.unwrap_or(&[0; PAGE_SIZE as usize]));
            if page.iter().any(|byte| *byte != 0) {
                let _ = self.memory.write(to + offset, &page);
            }
        }
    }

    /// Brings the page tables from what `now` says to what `initial` does.
    pub(crate) fn restore(
        &mut self,
        now: &AddressSpace,
        initial: &AddressSpace,
    ) -> Result<(), Error> {
        for (start, end, protection) in initial.difference(now) {
            self.set(start, end, protection, true)?;
        }
        Ok(())
    }
}

/// The part of the memory that is the program's own to hand over.
pub(crate) struct Own<'a> {
    pub(crate) memory: &'a mut GuestMemory,
    pub(crate) space: &'a AddressSpace,
}

impl GuestSpace for Own<'_> {
    fn readable(&self, address: u64, length: u64) -> Option<&[u8]> {
        (self.readable_from(address) >= length)
            .then(|| self.memory.bytes(address, length))
            .flatten()
    }

    fn readable_from(&self, address: u64) -> u64 {
        let end = self.space.reach(address, false);
        end.map_or(0, |end| end - address)
    }

    fn fill(
        &mut self,
        address: u64,
        length: u64,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<u64, Stop>,
    ) -> Option<Result<u64, Stop>> {
        let end = self.space.reach(address, true)?;
        (end - address >= length)
            .then(|| self.memory.fill(address, length, fill))
            .flatten()
    }
}
