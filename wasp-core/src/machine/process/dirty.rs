//! Which pages of a child's are no longer the snapshot's (Documentation/admin-guide/mm/pagemap.rst).
//!
//! All of a guest's memory is mapped privately: a page that was written is anonymous, and stays so until it is dropped,
//! also while it is swapped out.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use rustix::io::{Errno, pread, retry_on_intr};
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::memory::runs::Runs;

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const SCAN: libc::Ioctl = 0xc060_6610_u32 as libc::Ioctl;
const FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;
const ZERO_PAGE: u64 = 1 << 5;

/// `struct pm_scan_arg` (linux/fs.h).
#[repr(C)]
#[derive(Default)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

/// A child's /proc/self/pagemap.
pub(super) struct PageMap {
    file: OwnedFd,
    scans: bool,
}

impl PageMap {
    pub(super) const fn new(file: OwnedFd, scans: bool) -> Self {
        Self { file, scans }
    }

    /// Adds the pages between two addresses that were written.
    #[inline]
    pub(super) fn dirty(&self, start: u64, end: u64, runs: &mut Runs) -> Result<(), Error> {
        match self.scans {
            true => self.scan(start, end, runs),
            false => self.read(start, end, runs),
        }
    }

    fn scan(&self, mut start: u64, end: u64, runs: &mut Runs) -> Result<(), Error> {
        const REGIONS: usize = 128;
        let mut regions = [PageRegion::default(); REGIONS];
        while start < end {
            let mut argument = ScanArgument {
                size: size_of::<ScanArgument>() as u64,
                start,
                end,
                vec: regions.as_mut_ptr() as u64,
                vec_len: REGIONS as u64,
                category_inverted: FILE | ZERO_PAGE,
                category_mask: FILE | ZERO_PAGE,
                category_anyof_mask: PRESENT | SWAPPED,
                return_mask: PRESENT | SWAPPED,
                ..ScanArgument::default()
            };
            // SAFETY: the kernel reads and writes the struct, whose size the number of the ioctl says, and writes at
            // most `vec_len` regions to `vec`.
            let found = unsafe { libc::ioctl(self.file.as_raw_fd(), SCAN, &raw mut argument) };
            if found < 0 {
                let error = std::io::Error::last_os_error();
                match error.raw_os_error() {
                    Some(libc::EINTR) => continue,
                    _ => return Err(Error::system("PAGEMAP_SCAN")(error)),
                }
            }
            for region in regions.iter().take(found as usize) {
                runs.push(region.start..region.end);
            }
            if argument.walk_end <= start {
                break;
            }
            start = argument.walk_end;
        }
        Ok(())
    }

    /// Before Linux 6.7: an entry of eight bytes for each page.
    fn read(&self, start: u64, end: u64, runs: &mut Runs) -> Result<(), Error> {
        const PRESENT_OR_SWAPPED: u64 = 3 << 62;
        const FILE: u64 = 1 << 61;
        let mut entries = vec![0; 64 << 10];
        let mut page = start;
        while page < end {
            let wanted = ((end - page) / PAGE_SIZE * 8).min(entries.len() as u64) as usize;
            let place = &mut entries[..wanted];
            let read =
                retry_on_intr(|| pread(self.file.as_fd(), &mut *place, page / PAGE_SIZE * 8));
            let read = read.map_err(|errno| Error::system("read of pagemap")(errno.into()))?;
            if read < 8 {
                return Err(Error::system("read of pagemap")(Errno::IO.into()));
            }
            let (read, _) = place[..read].as_chunks::<8>();
            for entry in read {
                let entry = u64::from_le_bytes(*entry);
                if entry & PRESENT_OR_SWAPPED != 0 && entry & FILE == 0 {
                    runs.push(page..page + PAGE_SIZE);
                }
                page += PAGE_SIZE;
            }
        }
        Ok(())
    }
}
