//! The two entry points of an image, and the arguments of a call.

use alloc_crate::boxed::Box;
use alloc_crate::string::String;
use core::arch::global_asm;
use core::hint::black_box;
use core::slice;

use serde::Deserialize;

use super::{door, exit, heap};
use crate::codec::Decoder;
use crate::{FromHandle, io};

// Whatever an earlier call left in the processor, the host has put right. RDI and RSI carry an entry's
// two arguments, RSP is the stack's top; all other registers are in their initial state.
global_asm!(
    ".section .text.virtine, \"ax\", @progbits",
    // RDI: first address of the heap; RSI: first address behind it.
    ".globl __virtine_start",
    "__virtine_start:",
    "call {start}",
    "ud2",
    // RDI: address of the encoded arguments; RSI: their length; RDX: what is granted. `virtine-build` binds
    // __virtine_body to the shim of the one function that this image is for.
    ".globl __virtine_call",
    "__virtine_call:",
    "call __virtine_body",
    "ud2",
    ".text",
    start = sym start,
);

// SAFETY: each link binds the name to an `extern "C" fn()` of `__virtine_entry!`'s.
unsafe extern "C" {
    /// What the user wants done before the snapshot.
    safe fn __virtine_init();
}

extern "C" fn start(heap_start: usize, heap_end: usize) -> ! {
    heap::set_bounds(heap_start, heap_end);
    // The allocator sets itself up with the first allocation: once, here, not in every call.
    drop(black_box(Box::new(0_usize)));
    __virtine_init();
    exit::ready(heap::first_unused())
}

/// The arguments of this call, which the host has laid at the start of the unused heap.
#[must_use]
pub fn arguments(address: *const u8, length: usize, grants: u64) -> Arguments {
    door::set_grants(grants);
    heap::reserve_below(address as usize + length);
    // SAFETY: the host wrote `length` bytes at `address` before it started the call, both lie in
    // the heap's pages, and the heap has just been told to start behind them, so that nothing
    // writes there until the machine is reset.
    let bytes = unsafe { slice::from_raw_parts(address, length) };
    Arguments(Decoder::new(bytes))
}

/// An `io::Result` as it travels.
///
/// # Errors
///
/// The result's own.
pub fn told<T>(result: io::Result<T>) -> Result<T, (Option<i32>, u8, String)> {
    result.map_err(|error| error.told())
}

/// Hands out a call's arguments in order.
pub struct Arguments(Decoder<'static>);

impl Arguments {
    /// The next argument, a file or stream.
    #[must_use]
    pub fn next_handle<T: FromHandle>(&mut self) -> T {
        T::from_handle(self.next())
    }

    /// The next argument.
    ///
    /// # Panics
    ///
    /// Where the host encoded something else, which would be a defect of this release.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator has one type of item"
    )]
    pub fn next<T: Deserialize<'static>>(&mut self) -> T {
        match self.0.take() {
            Ok(argument) => argument,
            Err(error) => panic!("argument cannot be decoded: {error}"),
        }
    }
}
