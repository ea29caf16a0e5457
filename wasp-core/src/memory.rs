//! A guest's memory as the host sees it: bounds-checked copies, never a lasting reference.
//!
//! The vCPU writes to this memory only inside `KVM_RUN`, which takes the whole machine by `&mut`;
//! what is borrowed from here is gone by then.

use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::process;

const ACCESS: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
/// Memory that is never touched is not even set aside.
const FLAGS: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// A run of guest-physical memory from address 0 on.
///
/// Children of `fork` do not inherit it: to share its pages copy-on-write would take them from under a
/// running guest.
pub(crate) struct GuestMemory {
    base: NonNull<u8>,
    size: u64,
}

// SAFETY: the mapping belongs to this value alone; nothing about it is tied to a thread.
unsafe impl Send for GuestMemory {}

impl GuestMemory {
    /// Maps `size` bytes of `file` copy-on-write.
    pub(crate) fn map(file: BorrowedFd<'_>, size: u64) -> Result<Self, Error> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let base = unsafe { mmap(ptr::null_mut(), size as usize, ACCESS, FLAGS, file, 0) };
        Self::mapped(base, size)
    }

    /// Maps `size` bytes of zero.
    pub(crate) fn anonymous(size: u64) -> Result<Self, Error> {
        // SAFETY: as above.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), size as usize, ACCESS, FLAGS) };
        Self::mapped(base, size)
    }

    fn mapped(base: Result<*mut c_void, Errno>, size: u64) -> Result<Self, Error> {
        let base = base.map_err(|errno| Error::system("mmap of guest memory")(errno.into()))?;
        let memory = NonNull::new(base.cast())
            .map(|base| Self { base, size })
            .ok_or_else(|| Error::system("mmap of guest memory")(Errno::NOMEM.into()))?;
        // SAFETY: the mapping stays as it is; only children do not get it.
        unsafe { madvise(base, size as usize, Advice::LinuxDontFork) }
            .map_err(|errno| Error::system("MADV_DONTFORK of guest memory")(errno.into()))?;
        Ok(memory)
    }

    /// Where the mapping starts in the host, for KVM.
    pub(crate) fn host_address(&self) -> u64 {
        self.base.as_ptr() as u64
    }

    /// Bytes of the mapping.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// The bytes at `address`; `None` where they do not all lie in this memory.
    pub(crate) fn bytes(&self, address: u64, length: u64) -> Option<&[u8]> {
        let start = self.pointer(address, length)?;
        // SAFETY: `pointer` has checked that the range is mapped. Nothing writes to it while
        // `self` is borrowed: the host's writes and the vCPU's runs both take `&mut`.
        Some(unsafe { std::slice::from_raw_parts(start, length as usize) })
    }

    /// Copies `bytes` to `address`; `None`, with nothing written, where they do not fit.
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Option<()> {
        let target = self.pointer(address, bytes.len() as u64)?;
        // SAFETY: `pointer` has checked the target range; `bytes` cannot overlap it, since `self`
        // is borrowed mutably.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        Some(())
    }

    /// Zeroes `length` bytes at `address`; `None`, with nothing written, where they do not fit.
    pub(crate) fn zero(&mut self, address: u64, length: u64) -> Option<()> {
        let target = self.pointer(address, length)?;
        // SAFETY: `pointer` has checked the range.
        unsafe { ptr::write_bytes(target, 0, length as usize) };
        Some(())
    }

    /// The little-endian word at `address`, a multiple of 8; 0 outside this memory.
    pub(crate) fn read_word(&self, address: u64) -> u64 {
        match self.pointer(address, 8) {
            // SAFETY: `pointer` has checked the range, and the mapping is page-aligned, so a
            // multiple of 8 is aligned. Volatile, since it is the processor that writes page tables.
            Some(word) if address.is_multiple_of(8) => unsafe {
                word.cast::<u64>().read_volatile()
            },
            _ => 0,
        }
    }

    fn pointer(&self, address: u64, length: u64) -> Option<*mut u8> {
        let end = address.checked_add(length)?;
        // SAFETY: `address` <= `end` <= `size`, so the result stays inside or just behind the
        // mapping.
        (end <= self.size).then(|| unsafe { self.base.as_ptr().add(address as usize) })
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        if process::is_child() {
            // The child has not inherited it; something else may lie there.
            return;
        }
        // SAFETY: `map` made this mapping, and the machine drops its VM, which knows the address,
        // before its memory. Failure would leave the mapping, which harms nobody.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.size as usize) };
    }
}

/// Some of a guest's pages. Takes no memory until the first is put in.
#[derive(Default)]
pub(crate) struct PageSet(Vec<u64>);

impl PageSet {
    /// Puts in the pages of the `length` bytes at `address`, which lie in a guest's memory.
    pub(crate) fn insert(&mut self, address: u64, length: u64) {
        for page in page_of(address) / PAGE_SIZE..(address + length).div_ceil(PAGE_SIZE) {
            let word = (page / 64) as usize;
            if self.0.len() <= word {
                self.0.resize(word + 1, 0);
            }
            self.0[word] |= 1 << (page % 64);
        }
    }

    /// The pages' addresses.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        let words = (0..).zip(&self.0).filter(|(_, word)| **word != 0);
        words.flat_map(|(at, word)| {
            let set = (0..64).filter(move |bit| word & 1 << bit != 0);
            set.map(move |bit| (at * 64 + bit) * PAGE_SIZE)
        })
    }
}

/// The address of the page that holds `address`.
pub(crate) const fn page_of(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_file::MemoryFile;

    fn memory() -> GuestMemory {
        let mut file = MemoryFile::create(2 * PAGE_SIZE).expect("a memfd");
        file.write(0, &[7; 4]).expect("the file takes it");
        let file = file.freeze().expect("the file is sealed");
        GuestMemory::map(file.descriptor(), 2 * PAGE_SIZE).expect("a mapping")
    }

    #[test]
    fn access_ends_exactly_at_the_last_byte() {
        let mut memory = memory();
        let size = memory.size();
        assert_eq!(memory.write(size - 3, &[1, 2, 3]), Some(()));
        assert_eq!(memory.bytes(size - 3, 3), Some(&[1, 2, 3][..]));
        assert_eq!(memory.write(size - 2, &[1, 2, 3]), None);
        assert_eq!(memory.bytes(size, 1), None);
        assert_eq!(memory.bytes(size, 0), Some(&[][..]));
    }

    #[test]
    fn addresses_that_wrap_are_refused() {
        let mut memory = memory();
        for (address, length) in [
            (u64::MAX, 1),
            (u64::MAX - 7, 8),
            (1, u64::MAX),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(memory.bytes(address, length), None);
            assert_eq!(memory.zero(address, length), None);
            assert_eq!(memory.read_word(address), 0);
        }
    }

    #[test]
    fn page_sets_hold_every_page_that_was_touched() {
        let mut pages = PageSet::default();
        pages.insert(0x1fff, 2);
        pages.insert(0x4_0000, 0);
        pages.insert(0x7f_f000, 0x1000);
        assert_eq!(
            pages.iter().collect::<Vec<_>>(),
            [0x1000, 0x2000, 0x7f_f000]
        );
    }

    #[test]
    fn writes_stay_private_to_one_mapping() {
        let mut file = MemoryFile::create(PAGE_SIZE).expect("a memfd");
        file.write(0, &[7; 4]).expect("the file takes it");
        let file = file.freeze().expect("the file is sealed");
        let mut one = GuestMemory::map(file.descriptor(), PAGE_SIZE).expect("a mapping");
        let two = GuestMemory::map(file.descriptor(), PAGE_SIZE).expect("a mapping");
        one.write(0, &[9; 4]).expect("in bounds");
        assert_eq!(two.bytes(0, 4), Some(&[7; 4][..]));
        assert_eq!(file.page(0).map(|page| page[0]), Some(7));
    }
}
