//! What std would say of an error of the host's.

use super::request::Errno;
use crate::io;

/// As an error of the facade's.
pub(super) fn describe(errno: Errno) -> io::Error {
    errno.into()
}
