//! What std says of an error of the host's.

use std::io;

use super::request::Errno;

/// As an error of std's.
pub(super) fn describe(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.0)
}
