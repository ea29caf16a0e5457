//! Applies a program's mappings to the page tables and memory of its machine.

use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::base::ended::Ended;
use crate::base::exit::Fault;
use crate::host::guest_memory::GuestSpace;
use crate::limits::meter::Meter;
use crate::limits::pieces::Pieces;
use crate::linux::initial_pages::InitialPages;
use crate::linux::system_call_error::SystemCallError;
use crate::machine::mapped_memory::MappedMemory;
use crate::memory::address_space::{AddressSpace, Protection};
use crate::memory::guest_memory::GuestMemory;

/// The memory of a stopped program.
pub(crate) struct Pages<'a, 'm> {
    pub(crate) mapped: &'a mut MappedMemory<'m>,
    pub(crate) meter: &'a Meter,
}

/// CPU translations are dropped in pieces of this size, since the kernel visits each of their pages.
const DROPPED: u64 = 64 << 20;

impl Pages<'_, '_> {
    /// Sets the protection of pages in the page tables. `known` says whether the CPU may have cached an earlier entry.
    /// It caches none for pages that were not present (Intel SDM vol. 3, 5.10.2.3).
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
            let to = end.min(from.saturating_add(self.piece(&mut pieces)?));
            self.mapped.protect(from, to, protection)?;
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

    /// Zeroes pages that may not be zero: those that the program or the host has written, and those with initial
    /// contents. All other memory is zero, and not even allocated.
    pub(crate) fn clear(
        &mut self,
        start: u64,
        end: u64,
        given: &InitialPages,
    ) -> Result<(), SystemCallError> {
        let mut pieces = self.meter.pieces();
        let mut from = start;
        while from < end {
            let to = end.min(from.saturating_add(self.piece(&mut pieces)?));
            let mut pages = self.mapped.dirty_pages(from, to)?;
            pages.extend(given.pages_between(from, to));
            pages.sort_unstable();
            pages.dedup();
            let memory = self.mapped.memory_mut();
            for page in pages {
                let _ = memory.write(page, &[0; PAGE_SIZE as usize]);
            }
            from = to;
        }
        Ok(())
    }

    /// Bytes of the next piece of work on mappings.
    fn piece(&self, pieces: &mut Pieces<'_>) -> Result<u64, Ended> {
        let piece = pieces.next()? as u64;
        match self.mapped.takes_any_length() {
            true => Ok(u64::MAX),
            false => Ok(piece),
        }
    }

    /// Copies pages from `from` to `to`, which do not overlap. Pages that cannot hold anything are skipped.
    pub(crate) fn copy(&mut self, from: u64, to: u64, length: u64) -> Result<(), SystemCallError> {
        let mut page = [0; PAGE_SIZE as usize];
        let mut pieces = self.meter.pieces();
        let mut done = 0;
        while done < length {
            let piece_end = length.min(done + pieces.next()? as u64);
            for offset in (done..piece_end).step_by(PAGE_SIZE as usize) {
                let read = self.mapped.memory().read(from + offset, &mut page);
                read.ok_or(Error::Fault(Fault::ProcessGone))?;
                if page.iter().any(|byte| *byte != 0) {
                    let _ = self.mapped.memory_mut().write(to + offset, &page);
                }
            }
            done = piece_end;
        }
        Ok(())
    }
}

/// Changes the page tables of a machine from the mappings in `now` to those in `initial`. Returns false, and does
/// nothing, if that is so much work that another machine is cheaper.
pub(crate) fn restore(
    mapped: &mut MappedMemory<'_>,
    now: &AddressSpace,
    initial: &AddressSpace,
) -> Result<bool, Error> {
    /// Each run takes two system calls.
    const MOST_RUNS: usize = 256;
    const MOST_BYTES: u64 = 256 << 20;
    let different = initial.difference(now);
    let bytes: u64 = different.iter().map(|(start, end, _)| end - start).sum();
    if different.len() > MOST_RUNS || bytes > MOST_BYTES {
        return Ok(false);
    }
    for (start, end, protection) in different {
        mapped.protect(start, end, protection)?;
        mapped.drop_translations(start, end)?;
    }
    Ok(true)
}

/// The memory that the program itself may hand over.
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
