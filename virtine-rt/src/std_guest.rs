//! The code that runs in a guest of `#[virtine(std)]` besides the user's and the real std: the program's `main`, which
//! makes it ready for calls, and the start and end of each call.
//!
//! ```text
//! ELF entry -> libc's start -> main -> start: init, then READY     once; the host takes its snapshot
//!                                      call: arguments, function, DONE     each call, on the same stack
//! ```

#[path = "std_guest/describe.rs"]
mod describe;
#[path = "guest/done.rs"]
mod done;
#[path = "guest/host.rs"]
pub mod host;
#[path = "guest/image.rs"]
mod image;
#[path = "guest/never.rs"]
mod never;
#[path = "std_guest/panic.rs"]
mod panic;
#[path = "guest/request.rs"]
pub(crate) mod request;
#[path = "std_guest/result.rs"]
mod result;

use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::hash::BuildHasher as _;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::{String, ToString as _};
use std::{ptr, slice, vec};

use serde::Deserialize;

use crate::abi::requests::grant;
use crate::abi::{AT_VIRTINE, hypercall as number};
use crate::assembly::hypercall;
use crate::codec::{CodecError, Decoder, Elements};
use never::Never;

type Start = extern "C" fn(usize, usize, u64) -> !;

unsafe extern "C" {
    /// getauxval(3).
    fn getauxval(kind: u64) -> u64;
}

/// The function that libc calls. The host has stored the address of the function's own start where getauxval(3) finds
/// it.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    // SAFETY: takes and returns numbers only.
    let address = unsafe { getauxval(AT_VIRTINE) } as usize;
    if address == 0 {
        return 1;
    }
    // SAFETY: the host took the address from the entries of this program, which name functions of this type.
    let start: Start = unsafe { core::mem::transmute::<usize, Start>(address) };
    start(0, 0, 0)
}

/// The start of the guests of functions without an `init`.
#[unsafe(no_mangle)]
extern "C" fn __virtine_start(heap_start: usize, heap_end: usize, seed: u64) -> ! {
    start(heap_start, heap_end, seed, || {})
}

/// Makes a guest ready for calls. `init` is the user's function that runs before the snapshot. Heap and seeds belong to
/// libc and std.
pub fn start(_: usize, _: usize, _: u64, init: fn()) -> ! {
    panic::watch();
    protect(|| {
        // The seeds of this thread's hash maps are requested once, here, not in every call.
        black_box(RandomState::new().hash_one(0));
        // Each call flushes it, and the first use allocates its buffer.
        let _ = io::stdout().flush();
        init();
        hypercall::leave(number::READY, [0; 3])
    })
}

/// Runs a call until it ends. A panic that it does not catch is the call's.
pub fn protect(call: impl FnOnce() -> Never) -> ! {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(never) => match never {},
        Err(payload) => panic::leave(&*payload),
    }
}

/// The arguments of this call, which the host has written to memory that belongs to the call.
#[must_use]
pub fn arguments(address: *const u8, length: usize, grants: u64) -> Arguments {
    if grants & grant::ENV != 0 {
        take_variables();
    }
    // SAFETY: the host wrote `length` bytes at `address` before it started the call, in pages that it had mapped for
    // them, and in which nothing else is placed until the machine is reset.
    let bytes = unsafe { slice::from_raw_parts(address, length) };
    request::set_grants(grants);
    let encoding = request::encoding(grants & grant::DESCRIBED_ARGUMENTS);
    Arguments(Decoder::aligned(bytes).in_encoding(encoding))
}

/// Sets the variables that the call is granted in std's environment.
fn take_variables() {
    let mut buffer = vec![0; 4096];
    for index in 0.. {
        let Ok(length) = request::variable_at(index, &mut buffer) else {
            return;
        };
        let length = length as usize;
        if length > buffer.len() {
            buffer.resize(length, 0);
            if request::variable_at(index, &mut buffer).is_err() {
                return;
            }
        }
        let text = buffer.get(..length).unwrap_or_default();
        let mut parts = text.splitn(2, |byte| *byte == b'=');
        if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            // SAFETY: a virtine has one thread.
            unsafe { std::env::set_var(OsStr::from_bytes(name), OsStr::from_bytes(value)) };
        }
    }
}

/// The encoded form of an `io::Result`.
///
/// # Errors
///
/// The result's own error.
pub fn told<T>(result: io::Result<T>) -> Result<T, (Option<i32>, u8, String)> {
    result.map_err(|error| (error.raw_os_error(), kind(&error), error.to_string()))
}

macro_rules! kinds {
    ($($kind:ident $words:literal,)*) => {
        /// The number of an error's kind in the ABI's list.
        fn kind(error: &io::Error) -> u8 {
            let kinds = [$($words),*];
            let words = error.kind().to_string();
            let found = kinds.iter().position(|kind| *kind == words);
            found.unwrap_or(kinds.len() - 1) as u8
        }
    };
}

crate::error_kinds!(kinds);

/// Handles an argument that the guest cannot decode in its encoding.
#[cold]
fn undecoded(error: &CodecError) -> ! {
    match error {
        CodecError::Undescribed => hypercall::leave(number::UNDESCRIBED, [0; 3]),
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
    pub fn next_handle<T: From<OwnedFd>>(&mut self) -> T {
        let handle: u64 = self.next();
        // SAFETY: the host has opened this handle for the argument, and nothing else uses it.
        let own = unsafe { OwnedFd::from_raw_fd(handle as i32) };
        T::from(own)
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

/// The ways in which a guest hands back control for good.
pub mod exit {
    use std::io::Write as _;

    use serde::Serialize;

    use super::never::Never;

    /// Whether to seal the heap for a result of this type: never, because it is not ours.
    #[must_use]
    pub const fn may_refer<T>(_: &T) -> bool {
        false
    }

    /// Ends the call with its result.
    ///
    /// # Panics
    ///
    /// If the result's own `Serialize` fails.
    pub fn done<T: Serialize + ?Sized>(result: &T, _may_refer: bool) -> Never {
        super::done::done(result, || {
            // Buffered output. If it is not granted, it is dropped.
            let _ = std::io::stdout().flush();
        })
    }
}
