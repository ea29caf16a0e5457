//! The file from which guest memory is mapped: what all machines of one image start from and share.
//!
//! An anonymous file (memfd). Machines map it copy-on-write, so a page costs memory once, however many machines read
//! it. It is sealed before the first machine maps it for calls, so the kernel guarantees that it never changes again.

use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::{Errno, pwrite, retry_on_intr};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::base::quietly::quietly;
use crate::memory::guest_memory::{Contents, GuestMemory, page_of};
use crate::memory::runs::Runs;

/// Memory contents under construction.
pub(crate) struct ImageFile {
    file: OwnedFd,
    size: u64,
    /// The runs of pages that were written. All others are holes, which read as zero. They must not be touched, since
    /// touching a hole allocates memory.
    written: Runs,
}

impl ImageFile {
    /// A file of `size` zero bytes, a multiple of the page size.
    pub(crate) fn create(size: u64) -> Result<Self, Error> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("virtine", flags).map_err(failed("memfd_create"))?;
        retry_on_intr(|| quietly(|| ftruncate(&file, size)))
            .map_err(failed("ftruncate of guest memory"))?;
        Ok(Self {
            file,
            size,
            written: Runs::default(),
        })
    }

    /// Writes `bytes` at `address`, all inside the file.
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        write_all(self.file.as_fd(), bytes, address).map_err(failed("pwrite of guest memory"))?;
        if !bytes.is_empty() {
            let end = (address + bytes.len() as u64).next_multiple_of(PAGE_SIZE);
            let start = page_of(address);
            self.written.push(start..end);
        }
        Ok(())
    }

    /// Its current contents, for mapping it while it is under construction.
    pub(crate) fn contents(&self) -> Contents<'_> {
        Contents {
            file: self.file.as_fd(),
            size: self.size,
            runs: joined(&self.written()),
        }
    }

    /// The runs of pages that hold something, in ascending order.
    pub(crate) fn written(&self) -> Box<[Range<u64>]> {
        self.written.clone().into_boxed()
    }

    /// Writes a page at `address`. A page that is all zero takes no memory where there was nothing.
    pub(crate) fn write_page(&mut self, address: u64, page: &[u8]) -> Result<(), Error> {
        let is_hole = || !self.written.iter().any(|run| run.contains(&address));
        match page.iter().all(|byte| *byte == 0) && is_hole() {
            true => Ok(()),
            false => self.write(address, page),
        }
    }

    /// Seals the contents.
    pub(crate) fn freeze(self) -> Result<FrozenMemory, Error> {
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&self.file, seals).map_err(failed("F_ADD_SEALS"))?;
        // SAFETY: a new mapping at an address that the kernel chooses touches no existing memory.
        let view = unsafe {
            mmap(
                ptr::null_mut(),
                self.size as usize,
                ProtFlags::READ,
                MapFlags::SHARED,
                &self.file,
                0,
            )
        };
        let view = view.map_err(failed("mmap of guest memory"))?;
        let view = NonNull::new(view.cast())
            .ok_or_else(|| failed("mmap of guest memory")(Errno::NOMEM))?;
        Ok(FrozenMemory {
            file: self.file,
            view,
            size: self.size,
            written: self.written.into_boxed(),
        })
    }
}

/// Writes all bytes to a file in memory, and raises no signal where RLIMIT_FSIZE keeps it from that.
pub(crate) fn write_all(file: BorrowedFd<'_>, bytes: &[u8], offset: u64) -> Result<(), Errno> {
    let mut done = 0;
    while done < bytes.len() {
        let (rest, at) = (&bytes[done..], offset + done as u64);
        done += retry_on_intr(|| quietly(|| pwrite(file, rest, at)))?;
    }
    Ok(())
}

/// Memory contents that can no longer change.
pub(crate) struct FrozenMemory {
    file: OwnedFd,
    view: NonNull<u8>,
    size: u64,
    /// The runs of pages that are not holes, in ascending order, not adjacent.
    written: Box<[Range<u64>]>,
}

// SAFETY: the view is read-only memory that nothing writes, owned by this value.
unsafe impl Send for FrozenMemory {}
// SAFETY: as above; all methods only read.
unsafe impl Sync for FrozenMemory {}

impl FrozenMemory {
    /// Its contents, for mapping it copy-on-write.
    pub(crate) fn contents(&self) -> Contents<'_> {
        Contents {
            file: self.file.as_fd(),
            size: self.size,
            runs: joined(&self.written),
        }
    }

    /// Restores these pages from the file.
    #[inline]
    pub(crate) fn restore(&self, memory: &mut GuestMemory, runs: &Runs) {
        for run in runs.iter() {
            let mut at = run.start;
            while at < run.end {
                let next = self.written.partition_point(|written| written.end <= at);
                let next = self.written.get(next);
                let end = match next.filter(|written| written.start < run.end) {
                    Some(written) if written.start <= at => {
                        let end = written.end.min(run.end);
                        let _ = memory.put(at, self.bytes(at, end));
                        end
                    }
                    hole => {
                        let end = hole.map_or(run.end, |written| written.start);
                        let _ = memory.zero(at, end - at);
                        end
                    }
                };
                at = end;
            }
        }
    }

    /// Like [`FrozenMemory::restore`], but leaves unchanged pages alone, and reports each page that did change.
    pub(crate) fn restore_changed(
        &self,
        memory: &mut GuestMemory,
        runs: &Runs,
        mut changed: impl FnMut(u64),
    ) {
        const ZERO: [u8; PAGE_SIZE as usize] = [0; PAGE_SIZE as usize];
        for page in runs.each_page() {
            let contents = self.page(page).and_then(|page| page.first_chunk());
            if memory.revert(page, contents.unwrap_or(&ZERO)) {
                changed(page);
            }
        }
    }

    /// The addresses of all pages that are not holes.
    pub(crate) fn pages(&self) -> impl Iterator<Item = u64> {
        let runs = self.written.iter().cloned();
        runs.flat_map(|run| run.step_by(PAGE_SIZE as usize))
    }

    /// The page at `address`, a multiple of the page size. `None` if it is all zero.
    #[inline]
    pub(crate) fn page(&self, address: u64) -> Option<&[u8]> {
        let at = self.written.partition_point(|run| run.end <= address);
        let written = self.written.get(at)?.contains(&address);
        written.then(|| self.bytes(address, address + PAGE_SIZE))
    }

    /// The bytes from `start` on, as far as they lie in one run that was written, at most to `end`; or where the hole
    /// ends that is there, at most `end`.
    #[inline]
    pub(crate) fn bytes_or_hole(&self, start: u64, end: u64) -> Result<&[u8], u64> {
        let at = self.written.partition_point(|run| run.end <= start);
        match self.written.get(at) {
            Some(run) if run.start <= start => Ok(self.bytes(start, run.end.min(end))),
            Some(run) => Err(run.start.min(end)),
            None => Err(end),
        }
    }

    /// The bytes from `start` to `end`, which lie in a run that was written.
    #[inline]
    fn bytes(&self, start: u64, end: u64) -> &[u8] {
        debug_assert!(start <= end && end <= self.size, "{start:#x}..{end:#x}");
        // SAFETY: they lie in the view, since `written` contains them.
        let first = unsafe { self.view.as_ptr().add(start as usize) };
        // SAFETY: as above; the seal prevents all changes of the bytes.
        unsafe { std::slice::from_raw_parts(first, (end - start) as usize) }
    }
}

impl Drop for FrozenMemory {
    fn drop(&mut self) {
        // SAFETY: `freeze` made this mapping, and no page borrowed from it outlives `self`.
        let _ = unsafe { munmap(self.view.as_ptr().cast(), self.size as usize) };
    }
}

/// Joins runs across small gaps: each run is a mapping, and a process may have only so many (vm.max_map_count). The
/// guest determines where the runs are, so if there are still too many, larger gaps are joined.
fn joined(runs: &[Range<u64>]) -> Vec<Range<u64>> {
    const LITTLE: u64 = 16 * PAGE_SIZE;
    const MOST: usize = 64;
    let mut little = LITTLE;
    loop {
        let joined = joined_across(runs, little);
        if joined.len() <= MOST {
            return joined;
        }
        little *= 2;
    }
}

fn joined_across(runs: &[Range<u64>], little: u64) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if run.start - last.end <= little => last.end = run.end,
            _ => joined.push(run.clone()),
        }
    }
    joined
}

fn failed(operation: &'static str) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::system(operation)(errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_told_from_written_pages() {
        let mut file = ImageFile::create(4 * PAGE_SIZE).expect("a memfd");
        file.write(PAGE_SIZE + 5, &[1; 4096]).expect("in bounds");
        let file = file.freeze().expect("sealed");
        let present: Vec<bool> = (0..5)
            .map(|page| file.page(page * PAGE_SIZE).is_some())
            .collect();
        assert_eq!(present, [false, true, true, false, false]);
        assert_eq!(
            file.page(PAGE_SIZE).map(|page| page[4..6].to_vec()),
            Some(vec![0, 1])
        );
    }

    #[test]
    fn runs_with_little_between_them_are_mapped_as_one() {
        let page = |number: u64| number * PAGE_SIZE;
        let runs = [page(0)..page(1), page(17)..page(18), page(35)..page(36)];
        assert_eq!(joined(&runs), [page(0)..page(18), page(35)..page(36)]);
    }

    #[test]
    fn runs_that_lie_far_apart_are_no_more_than_a_process_can_map_often() {
        let runs: Vec<Range<u64>> = (0..10_000)
            .map(|run| run * 18 * PAGE_SIZE)
            .map(|start| start..start + PAGE_SIZE)
            .collect();
        let joined = joined(&runs);
        assert!(joined.len() <= 64, "{}", joined.len());
        let holds = |run: &Range<u64>| {
            let mut all = joined.iter();
            all.any(|one| one.start <= run.start && run.end <= one.end)
        };
        assert!(runs.iter().all(holds));
    }

    #[test]
    fn holes_take_no_memory_however_often_they_are_read() {
        let mut file = ImageFile::create(1 << 30).expect("a memfd");
        file.write((1 << 30) - PAGE_SIZE, &[1; 4096])
            .expect("in bounds");
        let file = file.freeze().expect("sealed");
        let memory = GuestMemory::map(&file.contents()).expect("a mapping");
        for page in (0..1 << 24).step_by(PAGE_SIZE as usize) {
            assert_eq!(memory.read_word(page), 0);
        }
        assert_eq!(memory.read_word((1 << 30) - PAGE_SIZE) & 0xff, 1);
        let blocks = rustix::fs::fstat(file.contents().file)
            .expect("a file")
            .st_blocks;
        assert_eq!(blocks, 8, "of 512 bytes: the page that was written");
    }

    #[test]
    fn zeros_are_written_only_over_something() {
        let mut file = ImageFile::create(2 * PAGE_SIZE).expect("a memfd");
        file.write(0, &[1; 8]).expect("in bounds");
        for page in [0, PAGE_SIZE] {
            file.write_page(page, &[0; PAGE_SIZE as usize])
                .expect("in bounds");
        }
        assert_eq!(file.written().iter().flat_map(Range::clone).count(), 4096);
        let file = file.freeze().expect("sealed");
        assert_eq!(file.page(0), Some(&[0; PAGE_SIZE as usize][..]));
    }

    #[test]
    fn only_changed_pages_are_counted_and_all_are_put_back() {
        let mut file = ImageFile::create(3 * PAGE_SIZE).expect("a memfd");
        file.write(0, &[5; 8192]).expect("in bounds");
        let file = file.freeze().expect("sealed");
        let mut memory = GuestMemory::map(&file.contents()).expect("a mapping");
        memory.put(3, &[5, 6]).expect("in bounds");
        memory.put(2 * PAGE_SIZE, &[1]).expect("in bounds");
        let mut all = Runs::default();
        all.push(0..3 * PAGE_SIZE);
        for expected in [&[0, 2 * PAGE_SIZE][..], &[]] {
            let mut changed = Vec::new();
            file.restore_changed(&mut memory, &all, |page| changed.push(page));
            assert_eq!(changed, expected);
        }
    }

    #[test]
    fn runs_are_restored_across_what_was_written_and_holes() {
        let mut file = ImageFile::create(9 * PAGE_SIZE).expect("a memfd");
        for page in [1, 2, 5] {
            file.write(page * PAGE_SIZE, &[page as u8; 4096])
                .expect("in bounds");
        }
        let file = file.freeze().expect("sealed");
        let mut memory = GuestMemory::map(&file.contents()).expect("a mapping");
        for (start, end) in [(0, 9), (1, 3), (2, 6), (3, 5), (5, 6), (6, 9)] {
            memory.put(0, &[9; 9 * 4096]).expect("in bounds");
            let mut runs = Runs::default();
            runs.push(start * PAGE_SIZE..end * PAGE_SIZE);
            file.restore(&mut memory, &runs);
            for page in 0..9 {
                let byte = match page {
                    page if !(start..end).contains(&page) => 9,
                    1 | 2 | 5 => page as u8,
                    _ => 0,
                };
                let found = memory.in_place(page * PAGE_SIZE, PAGE_SIZE);
                assert_eq!(found, Some(&[byte; 4096][..]), "{start}..{end}: {page}");
            }
        }
    }

    #[test]
    fn frozen_file_takes_no_more() {
        let file = ImageFile::create(PAGE_SIZE)
            .expect("a memfd")
            .freeze()
            .expect("sealed");
        assert_eq!(pwrite(file.contents().file, &[1], 0), Err(Errno::PERM));
    }
}
