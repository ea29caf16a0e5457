//! The kernel's random numbers.

use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::base::capability::Capability;
use crate::base::refusal::Refusal;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::request_error::RequestError;
use crate::limits::meter::Meter;

/// Writes random bytes to guest memory, in pieces, since a mebibyte takes the generator some milliseconds. The
/// generator never blocks once the host has started.
pub(super) fn fill(
    memory: &mut (impl GuestSpace + ?Sized),
    address: u64,
    length: u64,
    meter: &Meter,
) -> Result<u64, RequestError> {
    memory.fill_in_pieces(address, length, meter, |_, place| {
        getrandom(place, GetRandomFlags::empty())
    })
}

/// Sixteen initial random bytes, for a program's hash maps and stack guard. All zero if the kernel refuses even these.
pub(crate) fn seed() -> [u8; 16] {
    let mut seed = [0; 16];
    let _ = getrandom(&mut seed, GetRandomFlags::empty());
    seed
}

/// If a device of random numbers was refused, names the grant for them: what is missing is not the right to a file.
pub(super) fn name_grant(error: RequestError, path: &Path) -> RequestError {
    match error {
        RequestError::Refused(Refusal::Denied { .. }) if is_device(path) => {
            RequestError::denied(Capability::Random, path.to_string_lossy())
        }
        error => error,
    }
}

/// Whether a path is one from which programs read random numbers.
pub(super) fn is_device(path: &Path) -> bool {
    path == Path::new("/dev/urandom") || path == Path::new("/dev/random")
}
