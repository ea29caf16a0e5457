//! `brk`, `mmap`, `munmap`, `mremap`, `mprotect` and `madvise`: anonymous memory inside the virtine's own.

use rustix::io::Errno;
use virtine_rt::abi::PAGE_SIZE;

use crate::host::request_error::RequestError;
use crate::linux::mapping::Pages;
use crate::linux::process::{Break, Process};
use crate::linux::system_call_error::SystemCallError;
use crate::memory::address_space::Protection;

const SHARED: u64 = libc::MAP_SHARED as u64;
const PRIVATE: u64 = libc::MAP_PRIVATE as u64;
const FIXED: u64 = libc::MAP_FIXED as u64;
const FIXED_NOREPLACE: u64 = libc::MAP_FIXED_NOREPLACE as u64;
const ANONYMOUS: u64 = libc::MAP_ANONYMOUS as u64;

impl Process {
    /// Moves the heap's end. Returns the new end, which also reports failure.
    pub(super) fn brk(
        &mut self,
        pages: &mut Pages<'_, '_>,
        wanted: u64,
    ) -> Result<u64, SystemCallError> {
        let Break { start, end } = self.heap;
        let mapped = end.next_multiple_of(PAGE_SIZE);
        let Ok(needed) = self.space.end_of(start, wanted.saturating_sub(start)) else {
            return Ok(end);
        };
        if wanted < start {
            return Ok(end);
        }
        if needed > mapped {
            // A page stays free between the heap and the next mapping.
            let next = self.space.next_mapped(mapped);
            if next.saturating_sub(PAGE_SIZE) < needed {
                self.exhausted = Some(needed - mapped);
                return Ok(end);
            }
            match self.map(pages, mapped, needed, Protection::DATA) {
                // The returned end tells the program about failure.
                Err(SystemCallError::Request(RequestError::Errno(_))) => return Ok(end),
                result => result?,
            }
        } else if needed < mapped {
            self.unmap(pages, needed, mapped)?;
        }
        self.heap.end = wanted;
        Ok(wanted)
    }

    /// Maps anonymous memory, or a private copy of a file.
    pub(super) fn mmap(
        &mut self,
        pages: &mut Pages<'_, '_>,
        [address, length, protection, flags]: [u64; 4],
    ) -> Result<u64, SystemCallError> {
        let protection = Protection::parse(protection)?;
        // Nothing shares an anonymous mapping with a program that cannot fork.
        if flags & ANONYMOUS == 0 || flags & (SHARED | PRIVATE) == 0 {
            return Err(Errno::NODEV.into());
        }
        let length = whole_pages(length)?;
        let start = match flags & (FIXED | FIXED_NOREPLACE) {
            0 => self
                .place(address, length)
                .inspect_err(|_| self.exhausted = Some(length))?,
            _ => address,
        };
        if !start.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::INVAL.into());
        }
        let end = self.space.end_of(start, length)?;
        if flags & FIXED_NOREPLACE != 0 && !self.space.is_free(start, end) {
            return Err(Errno::EXIST.into());
        }
        self.unmap(pages, start, end)?;
        self.map(pages, start, end, protection)?;
        Ok(start)
    }

    /// Where to map `length` bytes: at `hint` if that is free, otherwise as high as possible.
    fn place(&self, hint: u64, length: u64) -> Result<u64, Errno> {
        let hint = hint - hint % PAGE_SIZE;
        let at_hint = self.space.end_of(hint, length);
        if hint != 0 && at_hint.is_ok_and(|end| self.space.is_free(hint, end)) {
            return Ok(hint);
        }
        let lowest = self.heap.end.next_multiple_of(PAGE_SIZE) + PAGE_SIZE;
        self.space.find_free(lowest, length).ok_or(Errno::NOMEM)
    }

    pub(super) fn munmap(
        &mut self,
        pages: &mut Pages<'_, '_>,
        address: u64,
        length: u64,
    ) -> Result<u64, SystemCallError> {
        let length = whole_pages(length)?;
        let end = self.space.end_of(address, length);
        let end = end.map_err(|_| Errno::INVAL)?;
        self.unmap(pages, address, end)?;
        Ok(0)
    }

    pub(super) fn mprotect(
        &mut self,
        pages: &mut Pages<'_, '_>,
        [address, length, protection]: [u64; 3],
    ) -> Result<u64, SystemCallError> {
        let protection = Protection::parse(protection)?;
        if !address.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::INVAL.into());
        }
        if length == 0 {
            return Ok(0);
        }
        let end = self.space.end_of(address, length)?;
        if !self.space.holds(address, end) {
            return Err(Errno::NOMEM.into());
        }
        self.map(pages, address, end, protection)?;
        Ok(0)
    }

    /// Makes a mapping longer or shorter, and moves it if allowed and necessary.
    pub(super) fn mremap(
        &mut self,
        pages: &mut Pages<'_, '_>,
        [address, old, new, flags]: [u64; 4],
    ) -> Result<u64, SystemCallError> {
        let (old, new) = (whole_pages(old)?, whole_pages(new)?);
        if flags & !(libc::MREMAP_MAYMOVE as u64) != 0 {
            return Err(Errno::INVAL.into());
        }
        let end = self.space.end_of(address, old)?;
        let regions = self.space.regions_in(address, end);
        let [region] = regions[..] else {
            return Err(Errno::FAULT.into());
        };
        if !self.space.holds(address, end) {
            return Err(Errno::FAULT.into());
        }
        if new <= old {
            self.unmap(pages, address + new, end)?;
            return Ok(address);
        }
        let grown = self.space.end_of(address, new);
        if let Ok(grown) = grown
            && self.space.is_free(end, grown)
        {
            self.map(pages, end, grown, region.protection)?;
            return Ok(address);
        }
        if flags & libc::MREMAP_MAYMOVE as u64 == 0 {
            return Err(Errno::NOMEM.into());
        }
        let to = self.place(0, new)?;
        self.map(pages, to, to + new, region.protection)?;
        pages.copy(address, to, old)?;
        self.unmap(pages, address, end)?;
        Ok(to)
    }

    /// Only advice that changes contents has an effect.
    pub(super) fn madvise(
        &mut self,
        pages: &mut Pages<'_, '_>,
        [address, length, advice]: [u64; 3],
    ) -> Result<u64, SystemCallError> {
        if !address.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::INVAL.into());
        }
        let end = self.space.end_of(address, length)?;
        if !self.space.holds(address, end) {
            return Err(Errno::NOMEM.into());
        }
        if advice == libc::MADV_DONTNEED as u64 {
            pages.clear(address, end, &self.given)?;
        }
        Ok(0)
    }

    fn map(
        &mut self,
        pages: &mut Pages<'_, '_>,
        start: u64,
        end: u64,
        protection: Protection,
    ) -> Result<(), SystemCallError> {
        let known = self.is_known(start, end);
        self.space.map(start, end, protection)?;
        pages.set(start, end, protection, known)?;
        Ok(())
    }

    /// Unmaps pages. A later mapping there reads zeros.
    fn unmap(
        &mut self,
        pages: &mut Pages<'_, '_>,
        start: u64,
        end: u64,
    ) -> Result<(), SystemCallError> {
        if !self.space.can_unmap(start, end) {
            return Err(Errno::NOMEM.into());
        }
        for region in self.space.regions_in(start, end) {
            pages.clear(region.start, region.end, &self.given)?;
        }
        if self.is_known(start, end) {
            pages.set(start, end, Protection::NONE, true)?;
        }
        self.space.unmap(start, end);
        Ok(())
    }

    /// Whether the page tables map any of it.
    fn is_known(&self, start: u64, end: u64) -> bool {
        let regions = self.space.regions_in(start, end);
        regions
            .iter()
            .any(|region| region.protection.is_accessible())
    }
}

fn whole_pages(length: u64) -> Result<u64, Errno> {
    match length.checked_next_multiple_of(PAGE_SIZE) {
        None => Err(Errno::NOMEM),
        Some(0) => Err(Errno::INVAL),
        Some(length) => Ok(length),
    }
}
