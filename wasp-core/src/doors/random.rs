//! The kernel's random numbers.

use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

use super::refusal::Stop;

/// Fills the buffer. The kernel's generator never waits once the host has started.
pub(super) fn fill(buffer: &mut [u8]) -> Result<u64, Stop> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(filled as u64)
}

/// Sixteen bytes to begin with: of a program's hash maps and stack guard. All zero where the kernel refuses
/// even these.
pub(crate) fn seed() -> [u8; 16] {
    let mut seed = [0; 16];
    let _ = fill(&mut seed);
    seed
}

/// Whether a path is one of those by which programs get random numbers.
pub(super) fn is_device(path: &Path) -> bool {
    path == Path::new("/dev/urandom") || path == Path::new("/dev/random")
}
