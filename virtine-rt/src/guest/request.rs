//! The requests that the host answers, as safe functions: one for each hypercall that the facade makes.

use core::cell::Cell;
use core::ffi::CStr;

use crate::abi::requests::{self as number, STAT_SIZE, grant};
use crate::assembly::hypercall::ask;
use crate::codec::Encoding;

/// The host's `errno`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

type Answer = Result<u64, Errno>;

static GRANTS: Grants = Grants(Cell::new(0));

struct Grants(Cell<u64>);

// SAFETY: a virtine has one vCPU and takes no interrupts.
unsafe impl Sync for Grants {}

/// Records the grants of the call.
pub(super) fn set_grants(grants: u64) {
    // A write would dirty the page even if it changes nothing.
    if GRANTS.0.get() != grants {
        GRANTS.0.set(grants);
    }
}

/// The encoding in which the host wants the call's result.
pub(super) fn result_encoding() -> Encoding {
    encoding(GRANTS.0.get() & grant::DESCRIBED_RESULT)
}

/// The encoding that a bit stands for.
pub(super) const fn encoding(bit: u64) -> Encoding {
    match bit {
        0 => Encoding::Bare,
        _ => Encoding::Described,
    }
}

/// Whether output to the handle goes anywhere. This is known in advance only for output.
pub(crate) fn is_heard(handle: u64) -> bool {
    let bit = match handle {
        number::handle::STDOUT => grant::STDOUT,
        number::handle::STDERR => grant::STDERR,
        _ => return true,
    };
    GRANTS.0.get() & bit != 0
}

fn answer(answer: i64) -> Answer {
    u64::try_from(answer).map_err(|_| Errno(i32::try_from(-answer).unwrap_or(i32::MAX)))
}

/// A hypercall that fills no memory.
fn plain(number: u64, arguments: [u64; 3]) -> Answer {
    // SAFETY: the callers pass no address of memory that is filled.
    answer(unsafe { ask(number, arguments) })
}

/// A hypercall that fills `buffer`.
fn filling(number: u64, first: u64, buffer: &mut [u8]) -> Answer {
    let place = buffer.as_mut_ptr() as u64;
    // SAFETY: the buffer is borrowed mutably, and the host writes no more than its length.
    answer(unsafe { ask(number, [first, place, buffer.len() as u64]) })
}

pub(crate) fn open(path: &CStr, flags: u64, mode: u64) -> Answer {
    plain(number::OPEN, [path.as_ptr() as u64, flags, mode])
}

pub(crate) fn close(handle: u64) -> Answer {
    plain(number::CLOSE, [handle, 0, 0])
}

pub(crate) fn read(handle: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    filling(number::READ, handle, buffer).map(|count| count as usize)
}

pub(crate) fn write(handle: u64, bytes: &[u8]) -> Result<usize, Errno> {
    let arguments = [handle, bytes.as_ptr() as u64, bytes.len() as u64];
    plain(number::WRITE, arguments).map(|count| count as usize)
}

pub(crate) fn seek(handle: u64, offset: i64, whence: u64) -> Answer {
    plain(number::LSEEK, [handle, offset.cast_unsigned(), whence])
}

pub(crate) fn stat(handle: u64) -> Result<[u8; STAT_SIZE], Errno> {
    let mut bytes = [0; STAT_SIZE];
    // SAFETY: the host fills as many bytes as the array has, to which there is no other reference yet.
    answer(unsafe { ask(number::FSTAT, [handle, bytes.as_mut_ptr() as u64, 0]) })?;
    Ok(bytes)
}

pub(crate) fn link(old: &CStr, new: &CStr) -> Answer {
    plain(number::LINK, [old.as_ptr() as u64, new.as_ptr() as u64, 0])
}

pub(crate) fn unlink(path: &CStr) -> Answer {
    plain(number::UNLINK, [path.as_ptr() as u64, 0, 0])
}

pub(crate) fn is_terminal(handle: u64) -> bool {
    plain(number::ISATTY, [handle, 0, 0]) == Ok(1)
}

pub(crate) fn clock(which: u64) -> Answer {
    plain(number::CLOCK, [which, 0, 0])
}

pub(crate) fn variable(name: &CStr, buffer: &mut [u8]) -> Answer {
    filling(number::ENV, name.as_ptr() as u64, buffer)
}

pub(crate) fn variable_at(index: u64, buffer: &mut [u8]) -> Answer {
    filling(number::ENV_AT, index, buffer)
}

pub(crate) fn argument(index: u64, buffer: &mut [u8]) -> Answer {
    filling(number::ARG, index, buffer)
}

/// Calls a host function. Returns the result's length, which may exceed the buffer.
pub(crate) fn host(name: &CStr, arguments: &[u8], buffer: &mut [u8]) -> Answer {
    let call = [
        arguments.as_ptr() as u64,
        arguments.len() as u64,
        buffer.as_mut_ptr() as u64,
        buffer.len() as u64,
    ];
    // SAFETY: the buffer is borrowed mutably, and the host writes no more than its length.
    answer(unsafe {
        ask(
            number::HOST,
            [name.as_ptr() as u64, call.as_ptr() as u64, 0],
        )
    })
}

/// Fetches the result for which the last [`host`] had no room.
pub(crate) fn host_result(buffer: &mut [u8]) -> Answer {
    let place = buffer.as_mut_ptr() as u64;
    // SAFETY: as above.
    answer(unsafe { ask(number::HOST_RESULT, [place, buffer.len() as u64, 0]) })
}
