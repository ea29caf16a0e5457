//! The ways a guest hands control back for good.

use core::mem::needs_drop;

use serde::Serialize;

use super::heap;
use super::never::Never;
use crate::abi::{PanicReport, hypercall};
use crate::assembly::hypercall::leave;
use crate::io;

/// Ends the initialisation; the host takes its snapshot here.
pub(super) fn ready(first_unused: usize) -> ! {
    leave(hypercall::READY, [first_unused, 0, 0])
}

/// Whether a result of this type may lead to memory besides its own: it owns something, or it is large enough for a
/// slice. A thin reference is taken for a number, and what it leads to is copied.
#[must_use]
pub const fn may_refer<T>(_: &T) -> bool {
    needs_drop::<T>() || size_of::<T>() >= size_of::<&[u8]>()
}

/// Ends the call with its result. Where the result `may_refer` to other memory, the host reads that where it lies.
///
/// # Panics
///
/// If the result's own `Serialize` fails.
pub fn done<T: Serialize + ?Sized>(result: &T, may_refer: bool) -> Never {
    // A seal dirties a page, which calls that need no heap would have to have put back.
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
