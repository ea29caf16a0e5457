//! Stacks for values that are deeply nested or large.
//!
//! The guest decides how deep a value nests, and the caller's remaining stack is unknown, so values are decoded on
//! stacks of this module. Each thread keeps one. To map one at every call would cost more than most calls do, and to
//! unmap one makes KVM look for it in every virtual machine of the process. A stack takes address space, but memory
//! only as far as it was used. What goes beyond [`KEPT`] is released at once.

use std::cell::Cell;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap,
};

/// Address space of a stack, without what depth and size of the value need in addition.
const SIZE: usize = 256 << 20;

/// Free stack required where a value starts, for frames that come before their contents are known. A box has a known
/// size, but not what it points to, and the frames that create its contents exist before the contents are read.
const RESERVE: usize = 64 << 20;

/// How many copies of a value the frames that create it may hold. Without optimization each frame has its own.
const COPIES: usize = 32;

/// Bytes per level in the frames that drop a value.
const DROPPED_LEVEL: usize = 1 << 10;

/// Bytes per level in the frames that create a value.
const MADE_LEVEL: usize = 4 << 10;

/// How much memory an unused stack may hold.
const KEPT: usize = 4 << 20;

/// Guard below a stack, so that an overflow faults.
const GUARD: usize = 64 << 10;

/// How many stacks of finished threads are kept for others.
const SPARE: usize = 64;

/// A value no larger than this that needs no drop is decoded on the caller's own stack.
pub(super) const SMALL: usize = 512;

/// Required free space on the caller's stack for frames that hold nothing large.
const FRAMES: usize = 8 << 10;

/// How much of the caller's stack decoding may take.
const CALLERS: usize = COPIES * SMALL + 2 * FRAMES;

/// The stack that frames are on.
pub(super) struct Ground {
    /// The lowest address that they may use.
    floor: usize,
    /// Whether it is the caller's stack.
    callers: bool,
}

impl Ground {
    /// Whether there is room for a value of type `T` nested this many levels deep.
    #[inline]
    fn holds<T>(&self, here: usize, levels: u32) -> bool {
        let left = here.saturating_sub(self.floor);
        let copies = COPIES.saturating_mul(size_of::<T>());
        match self.callers {
            // A type that needs drop may have anything behind a pointer.
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
    /// A second stack that this value needed, if it is not in use.
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

    /// Whether a value of type `T` nested this many levels deep can be created on the current stack.
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

/// Something that has a [`Room`] and can continue on another stack.
pub(super) trait Grows: Sized {
    /// Its room.
    fn room(&mut self) -> &mut Room;

    /// Runs `job` on another stack with room for a value of type `T` nested this many levels deep.
    ///
    /// # Errors
    ///
    /// The kernel's, if there is no address space for it.
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

/// Runs `job` where a value of type `T` nested this many levels deep can be created. The job must not unwind.
///
/// # Errors
///
/// The kernel's, if there is no address space for it.
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

/// A stack that belongs to this module.
struct Segment {
    base: NonNull<u8>,
    size: usize,
    /// The lowest address that was seen in use since the last check.
    lowest: usize,
}

// SAFETY: it owns its mapping, which any thread may use and unmap.
unsafe impl Send for Segment {}

thread_local! {
    static OWN: ThreadStack = const { ThreadStack(Cell::new(None)) };
}

/// The stack that a thread keeps.
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
    /// A stack of at least this size: the thread's, one that another thread has left, or a new one.
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
        // SAFETY: a new mapping at a free address.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), size, access, flags) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let segment = Self {
            base,
            size,
            lowest: usize::MAX,
        };
        // SAFETY: the lowest bytes of the mapping just made.
        unsafe { mprotect(base.as_ptr().cast(), GUARD, MprotectFlags::empty()) }?;
        // Otherwise a page at the top would take two mebibytes. A kernel without huge pages refuses, and has none.
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
        // SAFETY: readable and writable memory that nothing else uses meanwhile: the code that runs on it has taken it.
        let start = unsafe { self.base.add(GUARD) };
        // SAFETY: as above; the size is a multiple of 16, as the ABI requires of a stack's end. If a job unwinds
        // anyway, the process aborts, because psm calls it through a function that must not unwind.
        unsafe { psm::on_stack(start.as_ptr(), self.size - GUARD, job) }
    }

    /// Keeps it for the thread's next value, but releases memory that this value took beyond the usual. If the thread
    /// already has one, that one goes to other threads.
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
        // SAFETY: as above; dropped memory is not read before it is written.
        let _ = unsafe {
            madvise(
                start.as_ptr().cast(),
                self.size - GUARD - KEPT,
                Advice::LinuxDontNeed,
            )
        };
    }

    /// Leaves it to another thread, unless too many are waiting already.
    fn put_by(self) {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < SPARE {
            waiting.push(self);
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: its own mapping, with no frames on it.
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
