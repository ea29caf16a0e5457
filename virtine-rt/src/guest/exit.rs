//! The ways in which a guest hands back control for good.

use core::mem::needs_drop;

use serde::Serialize;

use super::heap;
use super::never::Never;
use crate::abi::{PanicReport, hypercall};
use crate::assembly::hypercall::leave;
use crate::io;

/// Ends the initialization. The host takes its snapshot here.
pub(super) fn ready(first_unused: usize) -> ! {
    leave(hypercall::READY, [first_unused, 0, 0])
}

/// Whether a result of this type may refer to memory outside itself: it owns something, or is large enough for a slice.
/// A thin reference is treated as a number, and its target is copied.
#[must_use]
pub const fn may_refer<T>(_: &T) -> bool {
    needs_drop::<T>() || size_of::<T>() >= size_of::<&[u8]>()
}

/// Ends the call with its result. If the result `may_refer` to other memory, the host reads that in place.
///
/// # Panics
///
/// If the result's own `Serialize` fails.
pub fn done<T: Serialize + ?Sized>(result: &T, may_refer: bool) -> Never {
    // Sealing dirties a page, which would have to be restored even after calls that need no heap.
    if may_refer {
        heap::seal();
    }
    super::done::done(result, io::flush_at_end)
}

pub(super) fn panicked(report: &PanicReport) -> ! {
    io::flush_at_end();
    leave(hypercall::PANIC, [&raw const *report as usize, 0, 0])
}

pub(super) fn out_of_memory(bytes: usize) -> ! {
    leave(hypercall::OUT_OF_MEMORY, [bytes, 0, 0])
}
