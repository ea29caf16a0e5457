//! Stack for values that nest deep or are large.
//!
//! How deep a value nests is the guest's to say, and how much stack is left is the caller's secret, so values are
//! decoded on stacks of this module's own. Each thread keeps one: to map one anew at every call would cost more than
//! most calls do, and to unmap one has KVM look for it in every virtual machine of the process. A stack takes address
//! space, and memory only as far as it was used; what goes beyond [`KEPT`] is given back at once.

use std::cell::Cell;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap,
};

/// Address space of a stack, but for what depth and size of the value ask for besides.
const SIZE: usize = 256 << 20;

/// What must be left where a value starts: for frames that come before anybody knows what they hold. A box tells its
/// size, not that of what it points to, and the frames that make its contents stand before the contents are met.
const RESERVE: usize = 64 << 20;

/// How often a value may stand in the frames that make it. Without optimisation each of them has copies of its own.
const COPIES: usize = 32;

/// For one level, in the frames that drop a value.
const DROPPED_LEVEL: usize = 1 << 10;

/// For one level, in the frames that make a value.
const MADE_LEVEL: usize = 4 << 10;

/// How much memory an unused stack may hold.
const KEPT: usize = 4 << 20;

/// Below a stack, so that running over its end is a fault.
const GUARD: usize = 64 << 10;

/// How many stacks of threads that have ended wait for others.
const SPARE: usize = 64;

/// A value no larger than this, and without anything to drop, is decoded on the caller's own stack.
pub(super) const SMALL: usize = 512;

/// What must be left of the caller's stack for frames that hold nothing large.
const FRAMES: usize = 8 << 10;

/// How much of the caller's stack that may take.
const CALLERS: usize = COPIES * SMALL + 2 * FRAMES;

/// The stack that frames are on.
pub(super) struct Ground {
    /// The lowest address that they may use.
    floor: usize,
    /// Whether it is the caller's.
    callers: bool,
}

impl Ground {
    /// Whether there is room for a value of type `T` that may nest so many levels deep.
    #[inline]
    fn holds<T>(&self, here: usize, levels: u32) -> bool {
        let left = here.saturating_sub(self.floor);
        let copies = COPIES.saturating_mul(size_of::<T>());
        match self.callers {
            // What has something to drop may have anything behind a pointer.
            true => !mem::needs_drop::<T>() && left >= copies.saturating_add(FRAMES),
            false => left >= needed(copies, levels),
        }
    }
}

const fn needed(copies: usize, levels: u32) -> usize {
    copies
        .saturating_add(RESERVE)
        .saturating_add(DROPPED_LEVEL * levels as usize)
}

/// Where a value's frames may lie.
pub(super) struct Room {
    ground: Ground,
    /// The lowest address seen in use.
    lowest: usize,
    /// A second stack that was needed for this value, if it is not in use.
    second: Option<Segment>,
}

impl Room {
    fn new(ground: Ground) -> Self {
        Self {
            ground,
            lowest: usize::MAX,
            second: None,
        }
    }

    /// Whether a value of type `T` that may nest so many levels deep can be made where the caller stands.
    #[inline]
    pub(super) fn holds<T>(&mut self, levels: u32) -> bool {
        let here = stack_pointer();
        self.lowest = self.lowest.min(here);
        self.ground.holds::<T>(here, levels)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(second) = self.second.take() {
            second.keep();
        }
    }
}

/// Something that has a [`Room`] and can go on elsewhere.
pub(super) trait Grows: Sized {
    /// Its room.
    fn room(&mut self) -> &mut Room;

    /// Runs `job` on a further stack with room for a value of type `T` that may nest so many levels deep.
    ///
    /// # Errors
    ///
    /// The kernel's, where there is no address space for it.
    #[cold]
    #[inline(never)]
    fn elsewhere<T>(
        &mut self,
        levels: u32,
        job: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, io::Error> {
        let size = size_for::<T>(levels);
        let second = self.room().second.take();
        let mut segment = match second.filter(|segment| segment.size >= size) {
            Some(segment) => segment,
            None => Segment::take(size)?,
        };
        let inside = Room::new(segment.ground());
        let outside = mem::replace(self.room(), inside);
        let result = segment.run(|| catch_unwind(AssertUnwindSafe(|| job(self))));
        let inside = mem::replace(self.room(), outside);
        segment.lowest = segment.lowest.min(inside.lowest);
        self.room().second = Some(segment);
        result.or_else(|payload| resume_unwind(payload))
    }
}

/// Runs `job` where a value of type `T` can be made that may nest so many levels deep. The job must not unwind.
///
/// # Errors
///
/// The kernel's, where there is no address space for it.
#[inline]
pub(super) fn run<T, R>(levels: u32, job: impl FnOnce(&mut Room) -> R) -> Result<R, io::Error> {
    if !mem::needs_drop::<T>() && size_of::<T>() <= SMALL {
        let ground = Ground {
            floor: stack_pointer().saturating_sub(CALLERS),
            callers: true,
        };
        return Ok(job(&mut Room::new(ground)));
    }
    let mut segment = Segment::take(size_for::<T>(levels))?;
    let mut room = Room::new(segment.ground());
    let result = segment.run(|| job(&mut room));
    segment.lowest = room.lowest;
    segment.keep();
    Ok(result)
}

fn size_for<T>(levels: u32) -> usize {
    let copies = COPIES.saturating_mul(size_of::<T>());
    needed(copies, levels)
        .saturating_add(SIZE)
        .saturating_add(MADE_LEVEL * levels as usize)
        .next_multiple_of(GUARD)
}

/// A stack of this module's own.
struct Segment {
    base: NonNull<u8>,
    size: usize,
    /// The lowest address of it that was seen in use since it was last looked at.
    lowest: usize,
}

// SAFETY: it owns its mapping, which any thread may use and unmap.
unsafe impl Send for Segment {}

thread_local! {
    static OWN: ThreadStack = const { ThreadStack(Cell::new(None)) };
}

/// The one that a thread keeps.
struct ThreadStack(Cell<Option<Segment>>);

impl Drop for ThreadStack {
    fn drop(&mut self) {
        if let Some(segment) = self.0.take() {
            segment.put_by();
        }
    }
}

static WAITING: Mutex<Vec<Segment>> = Mutex::new(Vec::new());

impl Segment {
    /// One of at least this size: the thread's, one that another thread has left, or a new one.
    fn take(size: usize) -> Result<Self, io::Error> {
        // The thread may be ending.
        let own = OWN.try_with(|own| own.0.take()).ok().flatten();
        match own.filter(|own| own.size >= size) {
            Some(own) => Ok(own),
            None => Self::find(size),
        }
    }

    #[cold]
    fn find(size: usize) -> Result<Self, io::Error> {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.iter().position(|segment| segment.size >= size);
        let found = found.map(|index| waiting.swap_remove(index));
        drop(waiting);
        found.map_or_else(|| Self::map(size), Ok)
    }

    fn map(size: usize) -> Result<Self, io::Error> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, where nothing is.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), size, access, flags) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let segment = Self {
            base,
            size,
            lowest: usize::MAX,
        };
        // SAFETY: the lowest bytes of the mapping just made.
        unsafe { mprotect(base.as_ptr().cast(), GUARD, MprotectFlags::empty()) }?;
        // A page at the top would otherwise become two mebibytes. A kernel without huge pages refuses, and has none.
        // SAFETY: changes no contents.
        let _ = unsafe { madvise(base.as_ptr().cast(), size, Advice::LinuxNoHugepage) };
        Ok(segment)
    }

    fn ground(&self) -> Ground {
        Ground {
            floor: self.base.addr().get() + GUARD,
            callers: false,
        }
    }

    /// Runs `job`, which must not unwind, on this stack.
    fn run<R>(&self, job: impl FnOnce() -> R) -> R {
        // SAFETY: readable and writable memory that nobody else uses meanwhile: whoever runs on it has taken it.
        let start = unsafe { self.base.add(GUARD) };
        // SAFETY: as above; the size is a multiple of 16, which the ABI wants of a stack's end. A job that unwinds
        // all the same aborts the process, for psm calls it by a function that must not.
        unsafe { psm::on_stack(start.as_ptr(), self.size - GUARD, job) }
    }

    /// Keeps it for the thread's next value, without the memory that this one took more than usual. Where the thread
    /// has one already, that one goes to other threads.
    fn keep(mut self) {
        let top = self.base.addr().get() + self.size;
        let lowest = mem::replace(&mut self.lowest, usize::MAX);
        if top.saturating_sub(lowest) > KEPT {
            self.shrink();
        }
        let mut this = Some(self);
        let _ = OWN.try_with(|own| {
            let other = own.0.replace(this.take());
            this = other;
        });
        if let Some(left) = this {
            left.put_by();
        }
    }

    fn shrink(&self) {
        // SAFETY: inside the mapping, and no frame is on it.
        let start = unsafe { self.base.add(GUARD) };
        // SAFETY: as above; what is dropped is read by nobody before it is written.
        let _ = unsafe {
            madvise(
                start.as_ptr().cast(),
                self.size - GUARD - KEPT,
                Advice::LinuxDontNeed,
            )
        };
    }

    /// Leaves it to another thread, if not too many wait already.
    fn put_by(self) {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < SPARE {
            waiting.push(self);
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: its own mapping, on which no frame is.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.size) };
    }
}

#[inline(always)]
fn stack_pointer() -> usize {
    let here: usize;
    // SAFETY: reads a register.
    unsafe {
        std::arch::asm!("mov {}, rsp", out(reg) here, options(nomem, nostack, preserves_flags));
    }
    here
}
