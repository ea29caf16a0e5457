//! The kernel's random numbers.

use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::request_error::RequestError;
use crate::limits::meter::Meter;

/// Makes random bytes where the guest wants them, in pieces: a mebibyte takes the generator some milliseconds. It never
/// waits once the host has started.
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

/// Sixteen bytes to begin with: of a program's hash maps and stack guard. All zero where the kernel refuses
/// even these.
pub(crate) fn seed() -> [u8; 16] {
    let mut seed = [0; 16];
    let _ = getrandom(&mut seed, GetRandomFlags::empty());
    seed
}

/// Whether a path is one of those by which programs get random numbers.
pub(super) fn is_device(path: &Path) -> bool {
    path == Path::new("/dev/urandom") || path == Path::new("/dev/random")
}
