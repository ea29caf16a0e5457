//! The entry points of an image: the start, which most functions share, and a call's arguments.
//!
//! The host enters them as a `call` instruction would, with the stack pointer 8 below a multiple of 16 (System V ABI,
//! 3.2.2). It has reset whatever an earlier call left in the CPU.

use alloc_crate::boxed::Box;
use alloc_crate::string::String;
use core::hint::black_box;
use core::{ptr, slice};

use serde::Deserialize;

use super::never::Never;
use super::{exit, heap, request};
use crate::abi::hypercall;
use crate::abi::requests::grant;
use crate::assembly::hypercall::leave;
use crate::codec::{CodecError, Decoder, Elements};
use crate::{FromHandle, io};

/// The start of the guests of functions without an `init`.
#[unsafe(no_mangle)]
extern "C" fn __virtine_start(heap_start: usize, heap_end: usize, seed: u64) -> ! {
    start(heap_start, heap_end, seed, || {})
}

/// Makes a guest ready for calls. The heap may lie between the two addresses. The seeds of the guest's hash maps are
/// derived from `seed`. `init` is the user's function that runs before the snapshot.
pub fn start(heap_start: usize, heap_end: usize, seed: u64, init: fn()) -> ! {
    heap::set_bounds(heap_start, heap_end);
    // The allocator initializes itself with the first allocation: once, here, not in every call.
    drop(black_box(Box::new(0_usize)));
    crate::facade::hash::seed(seed);
    init();
    exit::ready(heap::first_unused())
}

/// Runs a call until it ends. Nothing unwinds here, so nothing needs to be caught.
pub fn protect(call: impl FnOnce() -> Never) -> ! {
    match call() {}
}

/// The arguments of this call, which the host has written to the start of the unused heap.
#[must_use]
pub fn arguments(address: *const u8, length: usize, grants: u64) -> Arguments {
    request::set_grants(grants);
    heap::reserve_below(address as usize + length);
    // SAFETY: the host wrote `length` bytes at `address` before it started the call. Both lie in the heap's pages, and
    // the heap now starts after them, so nothing writes there until the machine is reset.
    let bytes = unsafe { slice::from_raw_parts(address, length) };
    let encoding = request::encoding(grants & grant::DESCRIBED_ARGUMENTS);
    Arguments(Decoder::aligned(bytes).in_encoding(encoding))
}

/// The encoded form of an `io::Result`.
///
/// # Errors
///
/// The result's own error.
pub fn told<T>(result: io::Result<T>) -> Result<T, (Option<i32>, u8, String)> {
    result.map_err(|error| error.told())
}

/// Handles an argument that the guest cannot decode in its encoding.
#[cold]
fn undecoded(error: &CodecError) -> ! {
    match error {
        CodecError::Undescribed => leave(hypercall::UNDESCRIBED, [0; 3]),
        error => panic!("argument cannot be decoded: {error}"),
    }
}

/// Returns a call's arguments in order.
pub struct Arguments(Decoder<'static>);

impl Arguments {
    /// Checks that all of them have been taken.
    ///
    /// # Panics
    ///
    /// If some are left: a type is encoded by one form and decoded by another.
    pub fn finish(&self) {
        assert!(
            self.0.is_at_end(),
            "argument cannot be decoded: the `Deserialize` of its type takes less than its `Serialize` gives; \
             use `serde(skip)` for both"
        );
    }

    /// The next argument, a file or stream.
    #[must_use]
    pub fn next_handle<T: FromHandle>(&mut self) -> T {
        T::from_handle(self.next())
    }

    /// The elements of the next argument, a slice.
    ///
    /// # Panics
    ///
    /// As for [`Arguments::next`].
    #[must_use]
    pub fn next_elements<T: Deserialize<'static>>(&mut self) -> &'static mut [T] {
        match self.0.take_elements() {
            Ok(Elements::Copied(elements)) => elements.leak(),
            // SAFETY: these bytes of the arguments belong to this argument alone, and the decoder has moved past them.
            Ok(Elements::InPlace(elements)) => unsafe {
                let first = ptr::with_exposed_provenance_mut(elements.as_ptr().expose_provenance());
                slice::from_raw_parts_mut(first, elements.len())
            },
            Err(error) => undecoded(&error),
        }
    }

    /// The next argument.
    ///
    /// # Panics
    ///
    /// If the host encoded something else, which would be a bug in this release.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator has one type of item"
    )]
    pub fn next<T: Deserialize<'static>>(&mut self) -> T {
        match self.0.take() {
            Ok(argument) => argument,
            Err(error) => undecoded(&error),
        }
    }
}
