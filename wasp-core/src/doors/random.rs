//! The kernel's random numbers.

use std::path::Path;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::refusal::Stop;
use crate::meter::Meter;

/// Fills the buffer, in pieces: a mebibyte takes the generator some milliseconds. It never waits once the host
/// has started.
pub(super) fn fill(buffer: &mut [u8], meter: &Meter) -> Result<u64, Stop> {
    let mut pieces = meter.pieces();
    let mut filled = 0;
    while filled < buffer.len() {
        let end = buffer.len().min(filled + pieces.next()?);
        let place = buffer.get_mut(filled..end).unwrap_or_default();
        match getrandom(place, GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(_) if filled > 0 => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(filled as u64)
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
