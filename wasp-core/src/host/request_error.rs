//! Why a guest's request has no result.

use rustix::io::Errno;

use crate::base::capability::Capability;
use crate::base::ended::Ended;
use crate::base::refusal::Refusal;
use crate::limits::meter::{NoWait, Over};

/// Why a hypercall has no answer above zero.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RequestError {
    /// The policy refused it.
    Refused(Refusal),
    /// The guest asked for something impossible, or the kernel could not do it.
    Errno(Errno),
    /// A host function gave no result.
    HostFunction {
        /// The function's name.
        function: String,
        /// Why it gave no result.
        reason: String,
    },
    /// The call timed out or was cancelled while the host worked for it.
    Ended(Ended),
}

impl RequestError {
    pub(super) fn denied(capability: Capability, argument: impl AsRef<str>) -> Self {
        Self::Refused(Refusal::denied(capability, argument.as_ref()))
    }
}

impl From<Ended> for RequestError {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Over> for RequestError {
    fn from(over: Over) -> Self {
        match over {
            Over::Ended(ended) => Self::Ended(ended),
            Over::Exceeded { quota, limit } => {
                Self::Refused(Refusal::QuotaExceeded { quota, limit })
            }
        }
    }
}

impl From<NoWait> for RequestError {
    fn from(no_wait: NoWait) -> Self {
        match no_wait {
            NoWait::Ended(ended) => Self::Ended(ended),
            NoWait::Errno(errno) => Self::Errno(errno),
        }
    }
}

impl From<Errno> for RequestError {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// The answer to a hypercall, or why there is none.
pub(crate) type Answer = Result<u64, RequestError>;
