//! What runs in a guest of `#[virtine(std)]` besides the user's code and the real std: the program's
//! `main`, which makes it ready for calls, and the way in and out of each.
//!
//! ```text
//! ELF entry -> libc's start -> main -> start: init, then READY     once; the host takes its snapshot
//!                                      call: arguments, function, DONE     each call, on the same stack
//! ```

#[path = "guest/door.rs"]
pub(crate) mod door;
#[path = "guest/host.rs"]
pub mod host;
#[path = "guest/hypercall.rs"]
mod hypercall;
#[path = "guest/image.rs"]
mod image;
#[path = "std_guest/panic.rs"]
mod panic;
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
use std::{slice, vec};

use serde::Deserialize;

use crate::abi::doors::grant;
use crate::abi::{AT_VIRTINE, hypercall as number};
use crate::codec::Decoder;

type Start = extern "C" fn(usize, usize, u64) -> !;

unsafe extern "C" {
    /// getauxval(3).
    fn getauxval(kind: u64) -> u64;
}

/// Where libc hands the program over to. The host has put the address of the function's own start where
/// getauxval(3) finds it.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    // SAFETY: takes and returns numbers only.
    let address = unsafe { getauxval(AT_VIRTINE) } as usize;
    if address == 0 {
        return 1;
    }
    // SAFETY: the host found the address in the entries of this program, which names functions of this type.
    let start: Start = unsafe { core::mem::transmute::<usize, Start>(address) };
    start(0, 0, 0)
}

/// Where the guests of functions without an `init` of their own start.
#[unsafe(no_mangle)]
extern "C" fn __virtine_start(heap_start: usize, heap_end: usize, seed: u64) -> ! {
    start(heap_start, heap_end, seed, || {})
}

/// Makes a guest ready for calls; `init` is what the user wants done before the snapshot. Heap and seeds are
/// libc's and std's own.
pub fn start(_: usize, _: usize, _: u64, init: fn()) -> ! {
    panic::watch();
    protect(|| {
        // The seeds of this thread's hash maps: asked for once, here, not in every call.
        black_box(RandomState::new().hash_one(0));
        // Each call flushes it, and the first use allocates its buffer.
        let _ = io::stdout().flush();
        init();
        hypercall::leave(number::READY, [0; 3])
    })
}

/// Runs a call to its end; a panic that comes out of it is the call's.
pub fn protect(call: impl FnOnce() -> Never) -> ! {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(never) => match never {},
        Err(payload) => panic::leave(&*payload),
    }
}

/// What a call that has ended returns: nothing, ever.
pub enum Never {}

/// The arguments of this call, which the host has laid into memory that is the call's own.
#[must_use]
pub fn arguments(address: *const u8, length: usize, grants: u64) -> Arguments {
    if grants & grant::ENV != 0 {
        take_variables();
    }
    // SAFETY: the host wrote `length` bytes at `address` before it started the call, in pages that it had
    // mapped for them, and that nothing else is placed in until the machine is reset.
    let bytes = unsafe { slice::from_raw_parts(address, length) };
    Arguments(Decoder::new(bytes))
}

/// Has std's environment hold the variables that the call is granted.
fn take_variables() {
    let mut buffer = vec![0; 4096];
    for index in 0.. {
        let Ok(length) = door::variable_at(index, &mut buffer) else {
            return;
        };
        let length = length as usize;
        if length > buffer.len() {
            buffer.resize(length, 0);
            if door::variable_at(index, &mut buffer).is_err() {
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

/// An `io::Result` as it travels.
///
/// # Errors
///
/// The result's own.
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

/// What std would say of an error of the host's.
fn describe(errno: door::Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.0)
}

/// Hands out a call's arguments in order.
pub struct Arguments(Decoder<'static>);

impl Arguments {
    /// The next argument, a file or stream.
    #[must_use]
    pub fn next_handle<T: From<OwnedFd>>(&mut self) -> T {
        let handle: u64 = self.next();
        // SAFETY: the host has opened this handle for the argument, and nobody else knows of it.
        let own = unsafe { OwnedFd::from_raw_fd(handle as i32) };
        T::from(own)
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

/// The ways a guest hands control back for good.
pub mod exit {
    use std::io::Write as _;

    use serde::Serialize;

    use super::image::image;
    use super::result::Encoded;
    use super::{Never, hypercall};
    use crate::abi::hypercall as number;
    use crate::codec;

    /// Ends the call with its result.
    ///
    /// # Panics
    ///
    /// Where the result's own `Serialize` fails.
    pub fn done<T: Serialize + ?Sized>(result: &T) -> Never {
        let mut encoded = Encoded::new();
        let notes = match codec::encode_noting(result, &mut encoded, image()) {
            Ok(notes) => notes,
            Err(error) => panic!("result cannot be encoded: {error}"),
        };
        let length = encoded.bytes().len();
        codec::Sink::write(&mut encoded, &notes);
        // What is held back; where the door is closed, nobody wants it.
        let _ = std::io::stdout().flush();
        let place = encoded.bytes().as_ptr() as usize;
        hypercall::leave(number::DONE, [place, length, notes.len()])
    }
}
