//! Why a call is over whose guest asked for something.

use std::time::Duration;

use crate::Error;
use crate::base::ended::Ended;
use crate::base::refusal::Refusal;

/// Why a guest does not go on after it asked for something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// It asked for what it may not have.
    Refused(Refusal),
    /// A function of the host's gave no result.
    HostFunction {
        /// Its name.
        function: String,
        /// Why not.
        reason: String,
    },
    /// It has taken too long, or was cancelled.
    Ended(Ended),
}

impl CallError {
    /// The same, to the caller, of a call that had `limit`.
    pub(crate) fn into_error(self, limit: Duration) -> Error {
        match self {
            Self::Refused(refusal) => refusal.into(),
            Self::HostFunction { function, reason } => Error::HostFunction { function, reason },
            Self::Ended(ended) => Error::ended(ended, limit),
        }
    }
}
