//! The guest's heap: dlmalloc over the pages that the host has granted, taken in ascending order.
//!
//! Ascending order makes calls touch few pages, and the same ones each time. They determine the cost of a reset.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
use core::ptr;

use dlmalloc::{Allocator, Dlmalloc};

use crate::abi::PAGE_SIZE;

#[global_allocator]
static HEAP: Heap = Heap {
    allocator: UnsafeCell::new(Dlmalloc::new_with_allocator(Pages)),
    start: Cell::new(0),
    next: Cell::new(0),
    end: Cell::new(0),
    failed: Cell::new(0),
    sealed: Cell::new(0),
};

/// Sets the heap's pages. `start` and `end` are multiples of the page size.
pub(super) fn set_bounds(start: usize, end: usize) {
    HEAP.start.set(start);
    HEAP.next.set(start);
    HEAP.end.set(end);
}

/// The lowest address that the heap has not taken yet.
pub(super) fn first_unused() -> usize {
    HEAP.next.get()
}

/// Gives up the unused pages below `address`, where the arguments lie.
pub(super) fn reserve_below(address: usize) {
    let next = address.next_multiple_of(PAGE_SIZE as usize);
    // A write would dirty the page even if it changes nothing.
    if HEAP.next.get() != next {
        HEAP.next.set(next);
    }
}

/// The size in bytes of the last allocation that failed, or 0 if none did.
pub(super) fn last_failure() -> usize {
    HEAP.failed.get()
}

/// From now on, existing allocations keep their address and contents, even if they are freed, and new allocations come
/// after all of them.
pub(super) fn seal() {
    HEAP.sealed.set(HEAP.next.get());
}

/// Whether the object at `address` was allocated before the sealing, or is an argument.
pub(super) fn has_sealed(address: usize) -> bool {
    (HEAP.start.get()..HEAP.sealed.get()).contains(&address)
}

struct Heap {
    allocator: UnsafeCell<Dlmalloc<Pages>>,
    start: Cell<usize>,
    next: Cell<usize>,
    end: Cell<usize>,
    failed: Cell<usize>,
    /// The address after everything allocated before the sealing. 0 if the heap is not sealed.
    sealed: Cell<usize>,
}

// SAFETY: a virtine has one vCPU and takes no interrupts, so no two executions ever meet here.
unsafe impl Sync for Heap {}

impl Heap {
    fn is_sealed(&self) -> bool {
        self.sealed.get() != 0
    }

    /// Allocates the bytes after all others.
    fn append(&self, layout: Layout) -> *mut u8 {
        let start = self.next.get().next_multiple_of(layout.align());
        match start.checked_add(layout.size()) {
            Some(end) if end <= self.end.get() => {
                self.next.set(end);
                ptr::with_exposed_provenance_mut(start)
            }
            _ => ptr::null_mut(),
        }
    }

    /// Extends the allocation that comes after all others. Returns false if this is not the last one, or if there is no
    /// room.
    fn extend(&self, pointer: *mut u8, layout: Layout, size: usize) -> bool {
        let start = pointer.addr();
        let is_last = start >= self.sealed.get() && start + layout.size() == self.next.get();
        let end = start.checked_add(size).filter(|end| *end <= self.end.get());
        let extended = end.filter(|_| is_last && size >= layout.size());
        extended.inspect(|end| self.next.set(*end)).is_some()
    }

    /// Frees the last allocation, if it was made since the sealing.
    fn take_back(&self, pointer: *mut u8, layout: Layout) {
        let start = pointer.addr();
        if start >= self.sealed.get() && start + layout.size() == self.next.get() {
            self.next.set(start);
        }
    }

    fn note_failure(&self, pointer: *mut u8, bytes: usize) -> *mut u8 {
        if pointer.is_null() {
            self.failed.set(bytes);
        }
        pointer
    }

    #[expect(
        clippy::mut_from_ref,
        reason = "one vCPU; each call below ends before the next starts"
    )]
    fn allocator(&self) -> &mut Dlmalloc<Pages> {
        // SAFETY: see `Sync` above; dlmalloc calls back only into `Pages`, which does not allocate.
        unsafe { &mut *self.allocator.get() }
    }
}

// SAFETY: dlmalloc keeps the contract of GlobalAlloc, and the callers' obligations are passed on.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let pointer = match self.is_sealed() {
            true => self.append(layout),
            // SAFETY: guaranteed by the caller.
            false => unsafe { self.allocator().malloc(layout.size(), layout.align()) },
        };
        self.note_failure(pointer, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let pointer = match self.is_sealed() {
            true => {
                let pointer = self.append(layout);
                if !pointer.is_null() {
                    // SAFETY: this many bytes have just been allocated there. They may have been used before.
                    unsafe { pointer.write_bytes(0, layout.size()) };
                }
                pointer
            }
            // SAFETY: guaranteed by the caller.
            false => unsafe { self.allocator().calloc(layout.size(), layout.align()) },
        };
        self.note_failure(pointer, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if self.is_sealed() {
            return self.take_back(pointer, layout);
        }
        // SAFETY: guaranteed by the caller.
        unsafe {
            self.allocator()
                .free(pointer, layout.size(), layout.align())
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.is_sealed() {
            if self.extend(pointer, layout, size) {
                return pointer;
            }
            // SAFETY: the caller has made sure that size and alignment form a layout.
            let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
            // SAFETY: the caller's size is not zero.
            let moved = unsafe { self.alloc(new) };
            if !moved.is_null() {
                let length = layout.size().min(size);
                // SAFETY: both hold this many bytes, and the new ones come after all others.
                unsafe { moved.copy_from_nonoverlapping(pointer, length) };
            }
            return moved;
        }
        // SAFETY: guaranteed by the caller.
        let pointer = unsafe {
            self.allocator()
                .realloc(pointer, layout.size(), layout.align(), size)
        };
        self.note_failure(pointer, size)
    }
}

/// Provides dlmalloc's memory: the next unused pages, which are zero and are never returned.
struct Pages;

// SAFETY: each answer is a run of mapped, writable pages that is returned only once.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let start = HEAP.next.get();
        let size = size.next_multiple_of(PAGE_SIZE as usize);
        match start.checked_add(size) {
            Some(end) if end <= HEAP.end.get() => {
                HEAP.next.set(end);
                (ptr::with_exposed_provenance_mut(start), size, 0)
            }
            _ => (ptr::null_mut(), 0, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE_SIZE as usize
    }
}
