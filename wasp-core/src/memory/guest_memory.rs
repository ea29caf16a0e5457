//! A guest's memory from the host's side: bounds-checked copies, never a lasting reference.
//!
//! The vCPU writes to this memory only inside `KVM_RUN`, which takes the whole machine by `&mut`. Anything borrowed
//! from here is gone by then.

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
use crate::memory::remote_memory::RemoteMemory;
use crate::memory::runs::Runs;

const ACCESS: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
/// Memory that is never touched is not even reserved.
const FLAGS: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// The initial contents of guest memory: a file, and the runs in it that hold something. All else is zero.
pub(crate) struct Contents<'a> {
    pub(crate) file: BorrowedFd<'a>,
    pub(crate) size: u64,
    /// In ascending order, not adjacent, in whole pages.
    pub(crate) runs: Vec<Range<u64>>,
}

fn mapping_failed(errno: Errno) -> Error {
    Error::system("mmap of guest memory")(errno.into())
}

/// Guest-physical memory from address 0 on.
///
/// Children of `fork` do not inherit it. If they shared its pages copy-on-write, a running guest would lose them.
pub(crate) struct GuestMemory {
    bytes: Bytes,
    size: u64,
    written: HostWrites,
}

/// Where the bytes are.
enum Bytes {
    /// Mapped here, from this address on.
    Mapped(NonNull<u8>),
    /// In another process, at the addresses that the guest has for them.
    Remote(RemoteMemory),
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

    /// The `size` bytes, from address 0 on, of another process; what of them is there, is that one's own affair.
    pub(crate) fn remote(memory: RemoteMemory, size: u64) -> Self {
        Self {
            bytes: Bytes::Remote(memory),
            size,
            written: HostWrites::default(),
        }
    }

    /// The other process's memory, where it is one.
    pub(crate) const fn as_remote(&self) -> Option<&RemoteMemory> {
        match &self.bytes {
            Bytes::Mapped(_) => None,
            Bytes::Remote(memory) => Some(memory),
        }
    }

    fn reserve(size: u64) -> Result<Self, Error> {
        // SAFETY: a new mapping at an address that the kernel chooses touches no existing memory.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), size as usize, ACCESS, FLAGS) };
        let base = base.map_err(mapping_failed)?;
        NonNull::new(base.cast())
            .map(|base| Self {
                bytes: Bytes::Mapped(base),
                size,
                written: HostWrites::default(),
            })
            .ok_or_else(|| mapping_failed(Errno::NOMEM))
    }

    /// Maps the runs that hold something over zero memory. Mapping the whole file would cost memory even where a guest
    /// only reads: for a hole in the file, the kernel allocates a page permanently.
    fn overlay(&mut self, contents: &Contents<'_>) -> Result<(), Error> {
        let flags = FLAGS.union(MapFlags::FIXED);
        for run in &contents.runs {
            let length = run.end.saturating_sub(run.start);
            let place = self.pointer(run.start, length);
            let place = place.ok_or_else(|| mapping_failed(Errno::INVAL))?;
            // SAFETY: `pointer` has checked that the range belongs to this value, and nothing of it is borrowed: `self`
            // is `&mut`.
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

    /// Keeps the memory from children of `fork`, and from huge pages, which would turn a single byte into 2 MiB.
    fn advise_all(&self) -> Result<(), Error> {
        self.advise(0, self.size, Advice::LinuxDontFork)
            .map_err(|errno| Error::system("MADV_DONTFORK of guest memory")(errno.into()))?;
        // Kernels without huge pages do not support it.
        let _ = self.advise(0, self.size, Advice::LinuxNoHugepage);
        Ok(())
    }

    /// Replaces all contents by these, which are of the same length. This drops every translation of the old contents
    /// that KVM holds, and clears all dirty bits.
    ///
    /// After an error the memory must not be used again.
    pub(crate) fn remap(&mut self, contents: &Contents<'_>) -> Result<(), Error> {
        let flags = FLAGS.union(MapFlags::FIXED);
        let Some(base) = self.pointer(0, self.size) else {
            return Ok(());
        };
        let (base, size) = (base.cast(), self.size as usize);
        // SAFETY: replaces this value's own mapping, of which nothing is borrowed: `self` is `&mut`.
        let mapped = unsafe { mmap_anonymous(base, size, ACCESS, flags) };
        self.kept(mapped)?;
        self.written.runs.clear();
        self.overlay(contents)
    }

    /// Gives up the memory if part of it could not be mapped again. That part may be unmapped by now, and in use by
    /// others.
    fn kept(&mut self, mapped: Result<*mut c_void, Errno>) -> Result<(), Error> {
        mapped.map(drop).map_err(|errno| {
            self.size = 0;
            mapping_failed(errno)
        })
    }

    /// Drops every page that guest or host have written: all contents are the file's again. As with
    /// [`GuestMemory::remap`], no translation and no dirty bit is left.
    pub(crate) fn discard(&mut self) -> Result<(), Error> {
        self.written.runs.clear();
        self.advise(0, self.size, Advice::LinuxDontNeed)
            .map_err(|errno| Error::system("MADV_DONTNEED of guest memory")(errno.into()))
    }

    /// Drops these pages, whether guest or host have written them: their contents are the file's again. As with
    /// [`GuestMemory::discard`], no translation of them is left, but their dirty bits in the guest's page tables stay
    /// set.
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

    /// Makes KVM drop its translations of the pages from `start` to `end`, so that the guest's page tables are read
    /// again. KVM is notified of every change to the mapping of guest memory, and then drops its own page-table entries
    /// and the CPU's. Contents stay.
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
            // SAFETY: `pointer` has checked that the range belongs to this value, and nothing of it is borrowed; at the
            // end it is as accessible as before.
            unsafe { mprotect(first.cast(), length as usize, access) }
                .map_err(|errno| Error::system("mprotect of guest memory")(errno.into()))?;
        }
        Ok(())
    }

    /// The pages from `start` to `end` that the host has written and that were not taken yet.
    pub(crate) fn written_between(&self, start: u64, end: u64) -> Vec<u64> {
        let pages = self.written.runs.each_page();
        pages.filter(|page| (start..end).contains(page)).collect()
    }

    /// Allocates these pages, in ascending order, before their first write. This is a hint: kernels before 5.14 do not
    /// support it, and nothing depends on it.
    pub(crate) fn populate(&mut self, pages: &[u64]) {
        let runs = pages.chunk_by(|page, next| page + PAGE_SIZE == *next);
        for run in runs {
            let length = run.len() as u64 * PAGE_SIZE;
            if self.pointer(run[0], length).is_some() {
                let _ = self.advise(run[0], length, Advice::LinuxPopulateWrite);
            }
        }
    }

    /// `address` and `length` must lie in this memory.
    fn advise(&self, address: u64, length: u64, advice: Advice) -> Result<(), Errno> {
        let Some(start) = self.pointer(address, length) else {
            return Ok(());
        };
        // SAFETY: the range lies in this value's own mapping, as `pointer` has checked; none of the advices used here changes where the mapping is, and those that
        // change contents are given under `&mut self`.
        unsafe { madvise(start.cast(), length as usize, advice) }
    }

    /// The pages that are no longer the file's, according to the kernel: every page that was written since the memory
    /// was mapped, and some that were only read.
    ///
    /// Read from /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst): 8 bytes per page. Bit 63 is set if the
    /// page is present, bit 62 if it is swapped out, bit 61 if it belongs to a file.
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

    /// The pages that the host has written with [`GuestMemory::write`] since the last call.
    #[inline]
    pub(crate) fn take_written(&mut self, runs: &mut Runs) {
        runs.append(&mut self.written.runs);
    }

    /// The mapping's address in the host, for KVM.
    pub(crate) fn host_address(&self) -> u64 {
        self.pointer(0, 0).map_or(0, |base| base as u64)
    }

    /// Bytes of the mapping.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Copies the bytes at `address` into `to`. `None`, with nothing copied, if they do not all lie in this memory.
    #[inline]
    pub(crate) fn read(&self, address: u64, to: &mut [u8]) -> Option<()> {
        // SAFETY: initialised bytes are valid where uninitialised ones are, and `read_into` writes nothing but
        // initialised ones.
        let to = unsafe { &mut *(ptr::from_mut(to) as *mut [MaybeUninit<u8>]) };
        self.read_into(address, to).map(drop)
    }

    /// Like [`GuestMemory::read`], into uninitialized memory. Returns it initialized.
    #[inline]
    pub(crate) fn read_into<'t>(
        &self,
        address: u64,
        to: &'t mut [MaybeUninit<u8>],
    ) -> Option<&'t mut [u8]> {
        self.check(address, to.len() as u64)?;
        if let Bytes::Remote(memory) = &self.bytes {
            return memory.read(address, to);
        }
        let from = self.pointer(address, to.len() as u64)?;
        // SAFETY: `pointer` has checked the range; `to` is no guest's memory, of which nobody has a reference.
        unsafe { ptr::copy_nonoverlapping(from, to.as_mut_ptr().cast(), to.len()) };
        // SAFETY: all of it has just been written.
        Some(unsafe { std::slice::from_raw_parts_mut(to.as_mut_ptr().cast(), to.len()) })
    }

    /// The bytes at `address`, in place. `None` if they do not all lie in this memory.
    ///
    /// Only for backends, whose guests are stopped while the host reads. tests/architecture enforces this.
    #[inline]
    pub(crate) fn in_place(&self, address: u64, length: u64) -> Option<&[u8]> {
        let start = self.pointer(address, length)?;
        // SAFETY: `pointer` has checked that the range is mapped. Nothing writes to it while
        // `self` is borrowed: the host's writes and the vCPU's runs both take `&mut`.
        Some(unsafe { std::slice::from_raw_parts(start, length as usize) })
    }

    /// Copies `bytes` to `address` as part of the guest's state, which a reset reverts. `None`, with nothing written,
    /// if they do not fit.
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Option<()> {
        self.put(address, bytes)?;
        self.written.note(address, bytes.len() as u64);
        Some(())
    }

    /// Records that the `length` bytes which the host has [put](GuestMemory::put) at `address` are part of the guest's
    /// state.
    pub(crate) fn note_written(&mut self, address: u64, length: u64) {
        self.written.note(address, length);
    }

    /// Copies `bytes` to `address` without recording it: what a reset restores, or what no guest can see. `None`, with
    /// nothing written, if they do not fit.
    #[inline]
    pub(crate) fn put(&mut self, address: u64, bytes: &[u8]) -> Option<()> {
        self.check(address, bytes.len() as u64)?;
        if let Bytes::Remote(memory) = &self.bytes {
            memory.write(address, bytes);
            return Some(());
        }
        let target = self.pointer(address, bytes.len() as u64)?;
        // SAFETY: `pointer` has checked the target range; `bytes` cannot overlap it, since `self`
        // is borrowed mutably.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        Some(())
    }

    /// Zeroes `length` bytes at `address`. `None`, with nothing written, if they do not fit.
    #[inline]
    pub(crate) fn zero(&mut self, address: u64, length: u64) -> Option<()> {
        let target = self.pointer(address, length)?;
        // SAFETY: `pointer` has checked the range.
        unsafe { ptr::write_bytes(target, 0, length as usize) };
        Some(())
    }

    /// Restores these bytes in the page at `address`. Writes only what differs, and returns whether anything did.
    /// Memory that is only read stays unchanged in the caches, and need not be written back.
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
            // SAFETY: `pointer` has checked the range, and the mapping is page-aligned, so a multiple of 8 is aligned.
            // Volatile, because the CPU writes page tables.
            Some(word) if address.is_multiple_of(8) => unsafe {
                word.cast::<u64>().read_volatile()
            },
            _ => 0,
        }
    }

    #[inline]
    fn check(&self, address: u64, length: u64) -> Option<()> {
        let end = address.checked_add(length)?;
        (end <= self.size).then_some(())
    }

    /// Where in the mapping the bytes are; `None` where they do not all lie in it, or there is none.
    #[inline]
    fn pointer(&self, address: u64, length: u64) -> Option<*mut u8> {
        self.check(address, length)?;
        match &self.bytes {
            // SAFETY: `address` is at most `size`, as has been checked, so the result stays inside or just behind
            // the mapping.
            Bytes::Mapped(base) => Some(unsafe { base.as_ptr().add(address as usize) }),
            Bytes::Remote(_) => None,
        }
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        let Bytes::Mapped(base) = self.bytes else {
            return;
        };
        if fork::is_child() {
            // The child has not inherited it; something else may lie there.
            return;
        }
        // SAFETY: `map` made this mapping, and the machine drops its VM, which knows the address,
        // before its memory. Failure would leave the mapping, which harms nobody.
        let _ = unsafe { munmap(base.as_ptr().cast(), self.size as usize) };
    }
}

/// The pages that the host has written. The guest's own writes show in its page tables.
#[derive(Default)]
struct HostWrites {
    /// In the order of the writes, some pages more than once.
    runs: Runs,
    /// How many runs `runs` may hold before they are sorted and merged.
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
