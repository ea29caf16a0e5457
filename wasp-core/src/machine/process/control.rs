//! The pages that a child shares with its host: the start pages, which the host writes, and the signal stack, which the
//! kernel writes for the child, and which the guest may write too.
//!
//! ```text
//! 0x0000  words that the door loads registers from   } first start page
//! 0x0100  extended registers of a guest that starts  }
//! 0x1000  extended registers of a guest that goes on } second
//!         or, when it has ended, the pages to zero   }
//! 0x2000  the signal stack
//! ```
//!
//! What stands in a signal frame is a claim of the guest's. It is copied once, and only the copy is looked at. No
//! reference to these pages exists: all access is by volatile words and copies through a pointer.

use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::base::fork;
use crate::base::quietly::quietly;
use crate::machine::process::layout::{
    CONTROL, CONTROL_SIZE, SCRIPT_OFFSET, SCRIPT_SIZE, SIGNAL_STACK, SIGNAL_STACK_SIZE, START,
};

/// Where the extended registers are that a guest starts with.
const STARTING: u64 = 0x100;
/// Where those are that a guest goes on with.
const GOING_ON: u64 = PAGE_SIZE;
/// Room for the extended registers.
pub(super) const EXTENDED_ROOM: usize = (PAGE_SIZE - STARTING) as usize;

/// How many runs of pages the child is told at most to zero, by two words each. Two words end the table.
pub(super) const TABLE_RUNS: usize = PAGE_SIZE as usize / 16 - 1;

/// Where the child finds them, as an address of its own.
pub(super) const TABLE: u64 = START + GOING_ON;

/// Where the door loads extended registers from, as an address of the child's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extended {
    /// What guests start with.
    Starting,
    /// What this one had when it stopped.
    GoingOn,
}

impl Extended {
    pub(super) const fn address(self) -> u64 {
        START + self.offset()
    }

    const fn offset(self) -> u64 {
        match self {
            Self::Starting => STARTING,
            Self::GoingOn => GOING_ON,
        }
    }
}

/// The host's mapping of the pages.
pub(super) struct Control {
    base: NonNull<u8>,
}

// SAFETY: the mapping belongs to this value alone; nothing about it is tied to a thread.
unsafe impl Send for Control {}

fn failed(operation: &'static str) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::system(operation)(errno.into())
}

impl Control {
    /// A file for the pages and a script, and the mapping of the pages.
    pub(super) fn create() -> Result<(Self, OwnedFd), Error> {
        let file =
            memfd_create("virtine-control", MemfdFlags::CLOEXEC).map_err(failed("memfd_create"))?;
        quietly(|| ftruncate(&file, SCRIPT_OFFSET + SCRIPT_SIZE))
            .map_err(failed("ftruncate of a control file"))?;
        let control = Self::map(file.as_fd())?;
        Ok((control, file))
    }

    fn map(file: BorrowedFd<'_>) -> Result<Self, Error> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let length = CONTROL_SIZE as usize;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let base = unsafe { mmap(ptr::null_mut(), length, access, MapFlags::SHARED, file, 0) };
        let base = base.map_err(failed("mmap of a control file"))?;
        NonNull::new(base.cast())
            .map(|base| Self { base })
            .ok_or_else(|| failed("mmap of a control file")(Errno::NOMEM))
    }

    /// Writes the words that the door loads registers from.
    #[inline]
    pub(super) fn set_words(&self, words: &[u64; 23]) {
        const _: () = assert!(23 * 8 <= STARTING);
        self.write_words(0, words.iter().copied());
    }

    /// Writes the table of runs that the child is to zero: at most [`TABLE_RUNS`]. It takes the place of the extended
    /// registers of a guest that goes on.
    pub(super) fn set_table(&self, runs: &[Range<u64>]) {
        let runs = runs.iter().take(TABLE_RUNS).cloned();
        let entries = runs.flat_map(|run| [run.start, (run.end - run.start) / 8]);
        self.write_words(GOING_ON, entries.chain([0, 0]));
    }

    /// Writes words from `offset` on, which end in the same start page.
    #[inline]
    fn write_words(&self, offset: u64, words: impl Iterator<Item = u64>) {
        // SAFETY: the callers' offsets are multiples of 8 in the start pages.
        let first = unsafe { self.base.as_ptr().add(offset as usize) }.cast::<u64>();
        for (at, word) in words.enumerate() {
            // SAFETY: the callers have as many words as there is room for in the page, which is mapped and aligned.
            let place = unsafe { first.add(at) };
            // SAFETY: as above. Nobody else writes it, and the child reads it only after it has been answered.
            unsafe { place.write_volatile(word) };
        }
    }

    /// Sets extended registers: all of them, so that nothing is left of the last ones.
    pub(super) fn set_extended(&self, which: Extended, area: &[u8]) {
        let length = area.len().min(EXTENDED_ROOM);
        self.zero(
            which.offset() + length as u64,
            (EXTENDED_ROOM - length) as u64,
        );
        // SAFETY: the offset and the length lie in the start pages.
        let place = unsafe { self.base.as_ptr().add(which.offset() as usize) };
        // SAFETY: `area` is the host's own memory and cannot overlap the mapping, of which there is no reference.
        unsafe { ptr::copy_nonoverlapping(area.as_ptr(), place, length) };
    }

    /// Copies the extended registers at `address` of the signal stack to where a guest goes on with them: all of them,
    /// as in [`Control::set_extended`].
    #[inline]
    pub(super) fn save_extended(&self, address: u64) {
        const END: u64 = SIGNAL_STACK + SIGNAL_STACK_SIZE;
        let address = address.clamp(SIGNAL_STACK, END);
        let length = (END - address).min(EXTENDED_ROOM as u64);
        // SAFETY: the address lies in the signal stack, or at its end, where the length is 0.
        let from = unsafe { self.base.as_ptr().add((address - CONTROL) as usize) };
        // SAFETY: the offset lies in the start pages.
        let to = unsafe { self.base.as_ptr().add(GOING_ON as usize) };
        // SAFETY: the length ends in the signal stack, and leaves room in the second start page. The two do not overlap,
        // there is no reference to either, and the child stands still.
        unsafe { ptr::copy_nonoverlapping(from, to, length as usize) };
        self.zero(GOING_ON + length, EXTENDED_ROOM as u64 - length);
    }

    /// A copy of extended registers.
    pub(super) fn extended(&self, which: Extended) -> Vec<u8> {
        let mut area = vec![0; EXTENDED_ROOM];
        // SAFETY: the offset and the length lie in the start pages.
        let from = unsafe { self.base.as_ptr().add(which.offset() as usize) };
        // SAFETY: as above; `area` is the host's own memory, as long as that.
        unsafe { ptr::copy_nonoverlapping(from, area.as_mut_ptr(), EXTENDED_ROOM) };
        area
    }

    /// Copies from the signal stack what lies at an address of the child's; `None` where it does not all lie there.
    #[inline]
    pub(super) fn signal_stack(&self, address: u64, to: &mut [u8]) -> Option<()> {
        let end = address.checked_add(to.len() as u64)?;
        if address < SIGNAL_STACK || end > SIGNAL_STACK + SIGNAL_STACK_SIZE {
            return None;
        }
        // SAFETY: the range lies in the mapping, as has just been checked.
        let from = unsafe { self.base.as_ptr().add((address - CONTROL) as usize) };
        // SAFETY: as above; `to` is the host's own memory. The child stands still while the host looks.
        unsafe { ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
        Some(())
    }

    /// Zeroes what holds registers of the last guest's, except the words, which the next start overwrites.
    #[inline]
    pub(super) fn clear(&self, going_on: bool) {
        if going_on {
            self.zero(GOING_ON, PAGE_SIZE);
        }
        self.zero(SIGNAL_STACK - CONTROL, SIGNAL_STACK_SIZE);
    }

    #[inline]
    fn zero(&self, offset: u64, length: u64) {
        // SAFETY: the callers' ranges lie in the mapping; the child stands still.
        let start = unsafe { self.base.as_ptr().add(offset as usize) };
        // SAFETY: as above.
        unsafe { ptr::write_bytes(start, 0, length as usize) };
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if fork::is_child() {
            return;
        }
        // SAFETY: `map` made this mapping; no reference to it exists.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), CONTROL_SIZE as usize) };
    }
}
