//! A program's mappings in the page tables of its machine, and the memory behind them.

use virtine_rt::abi::PAGE_SIZE;

use super::address_space::{AddressSpace, Protection};
use super::process::{Given, Trouble};
use crate::Error;
use crate::arch::paging::PageTables;
use crate::doors::{GuestSpace, Stop};
use crate::memory::GuestMemory;
use crate::meter::Meter;

/// A program's memory while the program stands still.
pub(crate) struct Pages<'a> {
    pub(crate) memory: &'a mut GuestMemory,
    pub(crate) tables: &'a PageTables,
    pub(crate) meter: &'a Meter,
}

/// The processor's translations are dropped for so much at a time: the kernel looks at each of its pages.
const DROPPED: u64 = 64 << 20;

impl Pages<'_> {
    /// Has the page tables allow `protection`. `known` tells whether the processor may know of an entry
    /// that was there before; it keeps none of what was not (Intel SDM vol. 3, 5.10.2.3).
    pub(crate) fn set(
        &mut self,
        start: u64,
        end: u64,
        protection: Protection,
        known: bool,
    ) -> Result<(), Trouble> {
        let mut pieces = self.meter.pieces();
        let mut from = start;
        while from < end {
            let to = end.min(from.saturating_add(pieces.next()? as u64));
            self.tables
                .remap(self.memory, from, to, protection.rights());
            from = to;
        }
        if known {
            for from in (start..end).step_by(DROPPED as usize) {
                self.meter.check()?;
                self.memory
                    .drop_translations(from, end.min(from + DROPPED))?;
            }
        }
        Ok(())
    }

    /// Zeroes what may be something else: what the program or the host has written, and what lay there
    /// from the start. All other memory is zero, and not even there.
    pub(crate) fn clear(&mut self, start: u64, end: u64, given: &Given) -> Result<(), Trouble> {
        let mut written = self.memory.written_between(start, end);
        written.extend(given.pages_between(start, end));
        written.sort_unstable();
        let mut pieces = self.meter.pieces();
        let mut from = start;
        while from < end {
            let to = end.min(from.saturating_add(pieces.next()? as u64));
            for page in (from..to).step_by(PAGE_SIZE as usize) {
                let is_dirty = self.tables.is_dirty(self.memory, page);
                if is_dirty || written.binary_search(&page).is_ok() {
                    let _ = self.memory.write(page, &[0; PAGE_SIZE as usize]);
                }
            }
            from = to;
        }
        Ok(())
    }

    /// Copies pages from `from` to `to`, which do not overlap, as far as they may hold something.
    pub(crate) fn copy(&mut self, from: u64, to: u64, length: u64) -> Result<(), Trouble> {
        let mut page = [0; PAGE_SIZE as usize];
        let mut pieces = self.meter.pieces();
        let mut done = 0;
        while done < length {
            let piece_end = length.min(done + pieces.next()? as u64);
            for offset in (done..piece_end).step_by(PAGE_SIZE as usize) {
                let bytes = self.memory.bytes(from + offset, PAGE_SIZE);
                page.copy_from_slice(bytes.unwrap_or(&[0; PAGE_SIZE as usize]));
                if page.iter().any(|byte| *byte != 0) {
                    let _ = self.memory.write(to + offset, &page);
                }
            }
            done = piece_end;
        }
        Ok(())
    }
}

/// Brings the page tables of a machine from what `now` says to what `initial` does. False, with nothing done,
/// where that is so much that another machine is to be had for less.
pub(crate) fn restore(
    memory: &mut GuestMemory,
    tables: &PageTables,
    now: &AddressSpace,
    initial: &AddressSpace,
) -> Result<bool, Error> {
    /// Each of these takes two system calls.
    const MOST_RUNS: usize = 256;
    const MOST_BYTES: u64 = 256 << 20;
    let different = initial.difference(now);
    let bytes: u64 = different.iter().map(|(start, end, _)| end - start).sum();
    if different.len() > MOST_RUNS || bytes > MOST_BYTES {
        return Ok(false);
    }
    for (start, end, protection) in different {
        tables.remap(memory, start, end, protection.rights());
        memory.drop_translations(start, end)?;
    }
    Ok(true)
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
