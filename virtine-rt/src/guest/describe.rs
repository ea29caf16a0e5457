//! Converts a host error into the error that std would return.

use super::request::Errno;
use crate::io;

/// Converts to an error of the facade.
pub(super) fn describe(errno: Errno) -> io::Error {
    errno.into()
}
