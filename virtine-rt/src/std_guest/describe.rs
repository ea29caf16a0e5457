//! Converts a host error into std's error.

use std::io;

use super::request::Errno;

/// Converts to an error of std.
pub(super) fn describe(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.0)
}
