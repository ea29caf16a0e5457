//! Why a system call has no result.

use rustix::io::Errno;

use crate::Error;
use crate::base::ended::Ended;
use crate::host::request_error::RequestError;

/// Why a system call has no result.
#[derive(Debug)]
pub(crate) enum SystemCallError {
    /// An error for the program, or the end of its call.
    Request(RequestError),
    /// This system call does not exist here.
    Refused(Errno),
    /// The host itself failed.
    Host(Error),
}

impl From<Errno> for SystemCallError {
    fn from(errno: Errno) -> Self {
        Self::Request(RequestError::Errno(errno))
    }
}

impl From<RequestError> for SystemCallError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<Ended> for SystemCallError {
    fn from(ended: Ended) -> Self {
        Self::Request(RequestError::Ended(ended))
    }
}

impl From<Error> for SystemCallError {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}
