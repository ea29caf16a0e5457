//! A guest's memory as the host sees it: bounds-checked copies, never a lasting reference.
//!
//! The vCPU writes to this memory only inside `KVM_RUN`, which takes the whole machine by `&mut`;
//! what is borrowed from here is gone by then.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, munmap,
};
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::base::fork;
use crate::memory::runs::Runs;

const ACCESS: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
/// Memory that is never touched is not even set aside.
const FLAGS: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// What guest memory starts from: a file, and where it holds something. All else is zero.
pub(crate) struct Contents<'a> {
    pub(crate) file: BorrowedFd<'a>,
    pub(crate) size: u64,
    /// In ascending order, apart from each other, in whole pages.
    pub(crate) runs: Vec<Range<u64>>,
}

fn mapping_failed(errno: Errno) -> Error {
    Error::system("mmap of guest memory")(errno.into())
}

/// A run of guest-physical memory from address 0 on.
///
/// Children of `fork` do not inherit it: to share its pages copy-on-write would take them from under a
/// running guest.
pub(crate) struct GuestMemory {
    base: NonNull<u8>,
    size: u64,
    written: HostWrites,
}

// SAFETY: the mapping belongs to this value alone; nothing about it is tied to a thread.
unsafe impl Send for GuestMemory {}

impl GuestMemory {
    /// Maps `contents` copy-on-write.
    pub(crate) fn map(contents: &Contents<'_>) -> Result<Self, Error> {
        let mut memory = Self::reserve(contents.size)?;
        memory.overlay(contents)?;
        Ok(memory)
    }

    /// Maps `size` bytes of zero.
    pub(crate) fn anonymous(size: u64) -> Result<Self, Error> {
        let memory = Self::reserve(size)?;
        memory.advise_all()?;
        Ok(memory)
    }

    fn reserve(size: u64) -> Result<Self, Error> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), size as usize, ACCESS, FLAGS) };
        let base = base.map_err(mapping_failed)?;
        NonNull::new(base.cast())
            .map(|base| Self {
                base,
                size,
                written: HostWrites::default(),
            })
            .ok_or_else(|| mapping_failed(Errno::NOMEM))
    }

    /// Lays what holds something over memory that is zero. A file that was mapped whole would take memory
    /// wherever a guest only reads: of a hole in it, the kernel makes a page for good.
    fn overlay(&mut self, contents: &Contents<'_>) -> Result<(), Error> {
        let flags = FLAGS.union(MapFlags::FIXED);
        for run in &contents.runs {
            let length = run.end.saturating_sub(run.start);
            let place = self.pointer(run.start, length);
            let place = place.ok_or_else(|| mapping_failed(Errno::INVAL))?;
            // SAFETY: `pointer` has checked that the range is this value's own, of which nothing is borrowed:
            // `self` is `&mut`.
            let mapped = unsafe {
                let length = length as usize;
                mmap(
                    place.cast(),
                    length,
                    ACCESS,
                    flags,
                    contents.file,
                    run.start,
                )
            };
            self.kept(mapped)?;
        }
        self.advise_all()
    }

    /// Children of `fork` do not get it. And no page is a huge one, which a single byte would make 2 MiB of.
    fn advise_all(&self) -> Result<(), Error> {
        self.advise(0, self.size, Advice::LinuxDontFork)
            .map_err(|errno| Error::system("MADV_DONTFORK of guest memory")(errno.into()))?;
        // Kernels without huge pages do not know it.
        let _ = self.advise(0, self.size, Advice::LinuxNoHugepage);
        Ok(())
    }

    /// Replaces all contents by these, which are as long. Every translation that KVM has of the old ones is
    /// gone with them, and so are the dirty bits.
    ///
    /// After an error the memory must not be used again.
    pub(crate) fn remap(&mut self, contents: &Contents<'_>) -> Result<(), Error> {
        let flags = FLAGS.union(MapFlags::FIXED);
        let (base, size) = (self.base.as_ptr().cast(), self.size as usize);
        // SAFETY: replaces this value's own mapping, of which nothing is borrowed: `self` is `&mut`.
        let mapped = unsafe { mmap_anonymous(base, size, ACCESS, flags) };
        self.kept(mapped)?;
        self.written.runs.clear();
        self.overlay(contents)
    }

    /// Gives the memory up where a part of it could not be mapped again: that may be unmapped by now, and
    /// anybody's.
    fn kept(&mut self, mapped: Result<*mut c_void, Errno>) -> Result<(), Error> {
        mapped.map(drop).map_err(|errno| {
            self.size = 0;
            mapping_failed(errno)
        })
    }

    /// Drops every page that was written, by whomever: all contents are the file's again. As with
    /// [`GuestMemory::remap`], no translation and no dirty bit is left.
    pub(crate) fn discard(&mut self) -> Result<(), Error> {
        self.written.runs.clear();
        self.advise(0, self.size, Advice::LinuxDontNeed)
            .map_err(|errno| Error::system("MADV_DONTNEED of guest memory")(errno.into()))
    }

    /// Drops these pages, by whomever they were written: their contents are the file's again. As with
    /// [`GuestMemory::discard`], no translation of them is left, but the guest's page tables still call them dirty.
    pub(crate) fn discard_runs(&mut self, runs: &Runs) -> Result<(), Error> {
        for run in runs.iter() {
            let length = run.end - run.start;
            if self.pointer(run.start, length).is_some() {
                self.advise(run.start, length, Advice::LinuxDontNeed)
                    .map_err(|errno| {
                        Error::system("MADV_DONTNEED of guest memory")(errno.into())
                    })?;
            }
        }
        Ok(())
    }

    /// Has KVM drop what it knows of how the pages from `start` to `end` are mapped, so that the guest's
    /// page tables count anew: KVM hears of every change of the mapping behind its guest's memory, and
    /// drops its own tables' entries, and the processor's, for that. Contents stay.
    ///
    /// After an error the memory must not be used again.
    pub(crate) fn drop_translations(&mut self, start: u64, end: u64) -> Result<(), Error> {
        let length = end.saturating_sub(start);
        let Some(first) = self.pointer(start, length) else {
            return Ok(());
        };
        for access in [
            MprotectFlags::READ,
            MprotectFlags::READ | MprotectFlags::WRITE,
        ] {
            // SAFETY: `pointer` has checked that the range is this value's own, of which nothing is
            // borrowed; in the end it is as accessible as before.
            unsafe { mprotect(first.cast(), length as usize, access) }
                .map_err(|errno| Error::system("mprotect of guest memory")(errno.into()))?;
        }
        Ok(())
    }

    /// The pages from `start` to `end` that the host has written and nobody has taken note of.
    pub(crate) fn written_between(&self, start: u64, end: u64) -> Vec<u64> {
        let pages = self.written.runs.each_page();
        pages.filter(|page| (start..end).contains(page)).collect()
    }

    /// Gives these pages, in ascending order, memory of their own ahead of their first write. A hint:
    /// kernels before 5.14 do not know it, and nothing depends on it.
    pub(crate) fn populate(&mut self, pages: &[u64]) {
        let runs = pages.chunk_by(|page, next| page + PAGE_SIZE == *next);
        for run in runs {
            let length = run.len() as u64 * PAGE_SIZE;
            if self.pointer(run[0], length).is_some() {
                let _ = self.advise(run[0], length, Advice::LinuxPopulateWrite);
            }
        }
    }

    /// `address` and `length` lie in this memory.
    fn advise(&self, address: u64, length: u64, advice: Advice) -> Result<(), Errno> {
        // SAFETY: the caller's range lies in this value's own mapping.
        let start = unsafe { self.base.as_ptr().add(address as usize) };
        // SAFETY: as above; none of the advices used here changes where the mapping is, and those that
        // change contents are given under `&mut self`.
        unsafe { madvise(start.cast(), length as usize, advice) }
    }

    /// The pages that are no longer the file's, as the kernel tells it: every page that anybody has
    /// written since the memory was mapped, and some that were only read.
    ///
    /// From /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst): 8 bytes a page, of which bit
    /// 63 is set where it is present, bit 62 where it is swapped out, bit 61 where it is a file's.
    pub(crate) fn private_pages(&self) -> Result<Vec<u64>, Error> {
        const PRESENT_OR_SWAPPED: u64 = 3 << 62;
        const FILE: u64 = 1 << 61;
        let entries = self
            .pagemap()
            .map_err(Error::system("read of /proc/self/pagemap"))?;
        let (entries, _) = entries.as_chunks::<8>();
        let numbered = (0..).step_by(PAGE_SIZE as usize).zip(entries);
        let private = numbered.filter(|(_, entry)| {
            let entry = u64::from_le_bytes(**entry);
            entry & PRESENT_OR_SWAPPED != 0 && entry & FILE == 0
        });
        Ok(private.map(|(address, _)| address).collect())
    }

    fn pagemap(&self) -> io::Result<Vec<u8>> {
        let mut entries = vec![0; (self.size / PAGE_SIZE * 8) as usize];
        File::open("/proc/self/pagemap")?
            .read_exact_at(&mut entries, self.host_address() / PAGE_SIZE * 8)?;
        Ok(entries)
    }

    /// The pages that the host has written by [`GuestMemory::write`] since this was last asked.
    #[inline]
    pub(crate) fn take_written(&mut self, runs: &mut Runs) {
        runs.append(&mut self.written.runs);
    }

    /// Where the mapping starts in the host, for KVM.
    pub(crate) fn host_address(&self) -> u64 {
        self.base.as_ptr() as u64
    }

    /// Bytes of the mapping.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Copies the bytes at `address` into `to`; `None`, with nothing copied, if they do not all lie in this memory.
    #[inline]
    pub(crate) fn read(&self, address: u64, to: &mut [u8]) -> Option<()> {
        let from = self.pointer(address, to.len() as u64)?;
        // SAFETY: `pointer` has checked the range; `to` is no guest's memory, of which nobody has a reference.
        unsafe { ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
        Some(())
    }

    /// As [`GuestMemory::read`], into memory that holds nothing yet; returns it once all of it does.
    #[inline]
    pub(crate) fn read_into<'t>(
        &self,
        address: u64,
        to: &'t mut [MaybeUninit<u8>],
    ) -> Option<&'t mut [u8]> {
        let from = self.pointer(address, to.len() as u64)?;
        // SAFETY: as in `read`.
        unsafe { ptr::copy_nonoverlapping(from, to.as_mut_ptr().cast(), to.len()) };
        // SAFETY: all of it has just been written.
        Some(unsafe { std::slice::from_raw_parts_mut(to.as_mut_ptr().cast(), to.len()) })
    }

    /// The bytes at `address`, in place; `None` if they do not all lie in this memory.
    ///
    /// For backends whose guests stand still while the host looks, and for no one else: tests/architecture sees to it.
    #[inline]
    pub(crate) fn in_place(&self, address: u64, length: u64) -> Option<&[u8]> {
        let start = self.pointer(address, length)?;
        // SAFETY: `pointer` has checked that the range is mapped. Nothing writes to it while
        // `self` is borrowed: the host's writes and the vCPU's runs both take `&mut`.
        Some(unsafe { std::slice::from_raw_parts(start, length as usize) })
    }

    /// Copies `bytes` to `address`, as a part of the guest's state, which a reset takes back; `None`,
    /// with nothing written, where they do not fit.
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Option<()> {
        self.put(address, bytes)?;
        self.written.note(address, bytes.len() as u64);
        Some(())
    }

    /// Takes note that the host has [put](GuestMemory::put) the `length` bytes at `address` there as a part of the guest's
    /// state.
    pub(crate) fn note_written(&mut self, address: u64, length: u64) {
        self.written.note(address, length);
    }

    /// Copies `bytes` to `address` for good: what a reset puts back, or what no guest can see. `None`,
    /// with nothing written, where they do not fit.
    #[inline]
    pub(crate) fn put(&mut self, address: u64, bytes: &[u8]) -> Option<()> {
        let target = self.pointer(address, bytes.len() as u64)?;
        // SAFETY: `pointer` has checked the target range; `bytes` cannot overlap it, since `self`
        // is borrowed mutably.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        Some(())
    }

    /// Zeroes `length` bytes at `address`; `None`, with nothing written, where they do not fit.
    #[inline]
    pub(crate) fn zero(&mut self, address: u64, length: u64) -> Option<()> {
        let target = self.pointer(address, length)?;
        // SAFETY: `pointer` has checked the range.
        unsafe { ptr::write_bytes(target, 0, length as usize) };
        Some(())
    }

    /// Has the page at `address` hold these bytes again, and writes no more than what differs; tells whether that was
    /// anything. What is only read stays in the caches as it is, and need not go back to memory.
    #[inline]
    pub(crate) fn revert(&mut self, address: u64, contents: &[u8; PAGE_SIZE as usize]) -> bool {
        const LINES: usize = 128;
        let Some(page) = self.pointer(address, PAGE_SIZE) else {
            return false;
        };
        // SAFETY: `pointer` has checked the range, and `self` is borrowed mutably, so that neither the host nor the
        // vCPU reads or writes it meanwhile.
        let page = unsafe { std::slice::from_raw_parts_mut(page, PAGE_SIZE as usize) };
        let (pieces, _) = page.as_chunks_mut::<LINES>();
        let (contents, _) = contents.as_chunks::<LINES>();
        let mut changed = false;
        for (piece, contents) in pieces.iter_mut().zip(contents) {
            if piece != contents {
                *piece = *contents;
                changed = true;
            }
        }
        changed
    }

    /// The little-endian word at `address`, a multiple of 8; 0 outside this memory.
    #[inline]
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

    #[inline]
    fn pointer(&self, address: u64, length: u64) -> Option<*mut u8> {
        let end = address.checked_add(length)?;
        // SAFETY: `address` <= `end` <= `size`, so the result stays inside or just behind the
        // mapping.
        (end <= self.size).then(|| unsafe { self.base.as_ptr().add(address as usize) })
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        if fork::is_child() {
            // The child has not inherited it; something else may lie there.
            return;
        }
        // SAFETY: `map` made this mapping, and the machine drops its VM, which knows the address,
        // before its memory. Failure would leave the mapping, which harms nobody.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.size as usize) };
    }
}

/// The pages that the host has written; the guest's own writes show in its page tables.
#[derive(Default)]
struct HostWrites {
    /// In the order of the writes, some pages more than once.
    runs: Runs,
    /// How many `runs` may hold before they are sorted out again.
    bound: usize,
}

impl HostWrites {
    #[inline]
    fn note(&mut self, address: u64, length: u64) {
        if length == 0 {
            return;
        }
        let end = (address + length).next_multiple_of(PAGE_SIZE);
        self.runs.push(page_of(address)..end);
        if self.runs.len() > self.bound {
            self.runs.settle();
            self.bound = (2 * self.runs.len()).max(64);
        }
    }
}

/// The address of the page that holds `address`.
pub(crate) const fn page_of(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::memory::image_file::ImageFile;

    fn memory() -> GuestMemory {
        let mut file = ImageFile::create(2 * PAGE_SIZE).expect("a memfd");
        file.write(0, &[7; 4]).expect("the file takes it");
        let file = file.freeze().expect("the file is sealed");
        GuestMemory::map(&file.contents()).expect("a mapping")
    }

    #[test]
    fn access_ends_exactly_at_the_last_byte() {
        let mut memory = memory();
        let size = memory.size();
        assert_eq!(memory.write(size - 3, &[1, 2, 3]), Some(()));
        assert_eq!(memory.in_place(size - 3, 3), Some(&[1, 2, 3][..]));
        assert_eq!(memory.write(size - 2, &[1, 2, 3]), None);
        assert_eq!(memory.in_place(size, 1), None);
        assert_eq!(memory.in_place(size, 0), Some(&[][..]));
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
            assert_eq!(memory.in_place(address, length), None);
            assert_eq!(memory.zero(address, length), None);
            assert_eq!(memory.read_word(address), 0);
        }
    }

    fn written(writes: &mut HostWrites) -> Vec<u64> {
        writes.runs.settle();
        writes.runs.each_page().collect()
    }

    #[test]
    fn host_writes_are_told_by_page() {
        let mut writes = HostWrites::default();
        writes.note(0x1fff, 2);
        writes.note(0x2001, 0xffe);
        writes.note(0x4_0000, 0);
        writes.note(0x7f_f000, 0x1000);
        assert_eq!(written(&mut writes), [0x1000, 0x2000, 0x7f_f000]);
    }

    #[test]
    fn host_writes_to_the_same_pages_take_no_more_room() {
        let mut writes = HostWrites::default();
        for round in 0..10_000 {
            writes.note(round % 3 * 2 * PAGE_SIZE, 1);
        }
        assert!(writes.runs.len() <= 65, "{}", writes.runs.len());
    }

    #[test]
    fn discarded_memory_is_the_files_again() {
        let mut memory = memory();
        memory.write(2, &[9; 5000]).expect("in bounds");
        memory.populate(&[0, PAGE_SIZE, 7 * PAGE_SIZE]);
        memory.discard().expect("discarded");
        assert_eq!(memory.in_place(0, 8), Some(&[7, 7, 7, 7, 0, 0, 0, 0][..]));
        let mut runs = Runs::default();
        memory.take_written(&mut runs);
        assert_eq!(runs.pages(), 0);
    }

    #[test]
    fn writes_stay_private_to_one_mapping() {
        let mut file = ImageFile::create(PAGE_SIZE).expect("a memfd");
        file.write(0, &[7; 4]).expect("the file takes it");
        let file = file.freeze().expect("the file is sealed");
        let mut one = GuestMemory::map(&file.contents()).expect("a mapping");
        let two = GuestMemory::map(&file.contents()).expect("a mapping");
        one.write(0, &[9; 4]).expect("in bounds");
        assert_eq!(two.in_place(0, 4), Some(&[7; 4][..]));
        assert_eq!(file.page(0).map(|page| page[0]), Some(7));
    }

    proptest! {
        #[test]
        fn access_is_inside_or_refused(address: u64, near in 0..3 * PAGE_SIZE, length in 0..9000_u64) {
            let mut memory = memory();
            for address in [address, near, address % (3 * PAGE_SIZE), u64::MAX - near] {
                let inside = address.checked_add(length).is_some_and(|end| end <= memory.size());
                prop_assert_eq!(memory.in_place(address, length).is_some(), inside);
                prop_assert_eq!(memory.zero(address, length).is_some(), inside);
                let bytes = vec![1; length as usize];
                prop_assert_eq!(memory.write(address, &bytes).is_some(), inside);
            }
        }

        #[test]
        fn host_writes_name_exactly_the_pages_that_they_touch(
            writes in prop::collection::vec((0..100 * PAGE_SIZE, 0..3 * PAGE_SIZE), 0..200)
        ) {
            let (mut noted, mut expected) = (HostWrites::default(), BTreeSet::new());
            for (address, length) in writes {
                noted.note(address, length);
                let ends = (length > 0).then(|| address + length - 1);
                if let Some(last) = ends {
                    expected.extend((page_of(address)..=last).step_by(PAGE_SIZE as usize));
                }
            }
            let found = written(&mut noted);
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<u64>>());
        }
    }
}
