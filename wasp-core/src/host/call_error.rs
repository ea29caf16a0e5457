//! Why a call ended at one of its guest's requests.

use std::time::Duration;

use crate::Error;
use crate::base::ended::Ended;
use crate::base::refusal::Refusal;

/// Why a guest does not continue after a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// It asked for something it may not have.
    Refused(Refusal),
    /// A host function gave no result.
    HostFunction {
        /// The function's name.
        function: String,
        /// Why it gave no result.
        reason: String,
    },
    /// It has taken too long, or was cancelled.
    Ended(Ended),
}

impl CallError {
    /// The error for the caller, of a call whose time limit was `limit`.
    pub(crate) fn into_error(self, limit: Duration) -> Error {
        match self {
            Self::Refused(refusal) => refusal.into(),
            Self::HostFunction { function, reason } => Error::HostFunction { function, reason },
            Self::Ended(ended) => Error::ended(ended, limit),
        }
    }
}
