//! A program's mappings in the page tables of its machine, and the memory behind them.

use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::host::guest_memory::GuestSpace;
use crate::limits::meter::Meter;
use crate::linux::initial_pages::InitialPages;
use crate::linux::system_call_error::SystemCallError;
use crate::machine::mapped_memory::MappedMemory;
use crate::memory::address_space::{AddressSpace, Protection};
use crate::memory::guest_memory::GuestMemory;

/// A program's memory while the program stands still.
pub(crate) struct Pages<'a, 'm> {
    pub(crate) mapped: &'a mut MappedMemory<'m>,
    pub(crate) meter: &'a Meter,
}

/// The processor's translations are dropped for so much at a time: the kernel looks at each of its pages.
const DROPPED: u64 = 64 << 20;

impl Pages<'_, '_> {
    /// Has the page tables allow `protection`. `known` tells whether the processor may know of an entry
    /// that was there before; it keeps none of what was not (Intel SDM vol. 3, 5.10.2.3).
    pub(crate) fn set(
        &mut self,
        start: u64,
        end: u64,
        protection: Protection,
        known: bool,
    ) -> Result<(), SystemCallError> {
        let mut pieces = self.meter.pieces();
        let mut from = start;
        while from < end {
            let to = end.min(from.saturating_add(pieces.next()? as u64));
            self.mapped.protect(from, to, protection);
            from = to;
        }
        if known {
            for from in (start..end).step_by(DROPPED as usize) {
                self.meter.check()?;
                self.mapped
                    .drop_translations(from, end.min(from + DROPPED))?;
            }
        }
        Ok(())
    }

    /// Zeroes what may be something else: what the program or the host has written, and what lay there
    /// from the start. All other memory is zero, and not even there.
    pub(crate) fn clear(
        &mut self,
        start: u64,
        end: u64,
        given: &InitialPages,
    ) -> Result<(), SystemCallError> {
        let mut written = self.mapped.memory().written_between(start, end);
        written.extend(given.pages_between(start, end));
        written.sort_unstable();
        let mut pieces = self.meter.pieces();
        let mut from = start;
        while from < end {
            let to = end.min(from.saturating_add(pieces.next()? as u64));
            for page in (from..to).step_by(PAGE_SIZE as usize) {
                let is_dirty = self.mapped.is_dirty(page);
                if is_dirty || written.binary_search(&page).is_ok() {
                    let _ = self
                        .mapped
                        .memory_mut()
                        .write(page, &[0; PAGE_SIZE as usize]);
                }
            }
            from = to;
        }
        Ok(())
    }

    /// Copies pages from `from` to `to`, which do not overlap, as far as they may hold something.
    pub(crate) fn copy(&mut self, from: u64, to: u64, length: u64) -> Result<(), SystemCallError> {
        let mut page = [0; PAGE_SIZE as usize];
        let mut pieces = self.meter.pieces();
        let mut done = 0;
        while done < length {
            let piece_end = length.min(done + pieces.next()? as u64);
            for offset in (done..piece_end).step_by(PAGE_SIZE as usize) {
                let _ = self.mapped.memory().read(from + offset, &mut page);
                if page.iter().any(|byte| *byte != 0) {
                    let _ = self.mapped.memory_mut().write(to + offset, &page);
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
    mapped: &mut MappedMemory<'_>,
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
        mapped.protect(start, end, protection);
        mapped.drop_translations(start, end)?;
    }
    Ok(true)
}

/// The part of the memory that is the program's own to hand over.
pub(crate) struct LinuxGuestMemory<'a> {
    pub(crate) memory: &'a mut GuestMemory,
    pub(crate) space: &'a AddressSpace,
}

impl GuestSpace for LinuxGuestMemory<'_> {
    fn readable_from(&self, address: u64) -> u64 {
        let end = self.space.reach(address, false);
        end.map_or(0, |end| end - address)
    }

    fn writable_from(&self, address: u64) -> u64 {
        let end = self.space.reach(address, true);
        end.map_or(0, |end| end - address)
    }

    fn read(&self, address: u64, to: &mut [u8]) -> Option<()> {
        self.memory.read(address, to)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Option<()> {
        self.memory.write(address, bytes)
    }
}
