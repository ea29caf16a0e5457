//! The ways a guest hands control back for good.

use alloc_crate::vec::Vec;

use serde::Serialize;

use super::entry::Never;
use super::hypercall::leave;
use super::image::image;
use crate::abi::{PanicReport, hypercall};
use crate::{codec, io};

/// Ends the initialisation; the host takes its snapshot here.
pub(super) fn ready(first_unused: usize) -> ! {
    leave(hypercall::READY, [first_unused, 0, 0])
}

/// Ends the call with its result.
///
/// # Panics
///
/// Where the result's own `Serialize` fails.
pub fn done<T: Serialize + ?Sized>(result: &T) -> Never {
    let mut bytes = Vec::new();
    let notes = match codec::encode_noting(result, &mut bytes, image()) {
        Ok(notes) => notes,
        Err(error) => panic!("result cannot be encoded: {error}"),
    };
    let length = bytes.len();
    bytes.extend_from_slice(&notes);
    io::flush_at_end();
    let place = bytes.as_ptr() as usize;
    leave(hypercall::DONE, [place, length, notes.len()])
}

pub(super) fn panicked(report: &PanicReport) -> ! {
    io::flush_at_end();
    leave(hypercall::PANIC, [&raw const *report as usize, 0, 0])
}

pub(super) fn out_of_memory(bytes: usize) -> ! {
    leave(hypercall::OUT_OF_MEMORY, [bytes, 0, 0])
}
