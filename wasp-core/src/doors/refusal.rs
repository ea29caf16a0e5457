//! Why the host does not do what a guest asks for.

use std::fmt;

use rustix::io::Errno;

use super::door::Door;
use crate::meter::{NoWait, Over, Quota};
use crate::watchdog::Ended;

/// Why a guest was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The policy does not grant it. The guest is told `EACCES`.
    Denied {
        /// The door that is closed.
        door: Door,
        /// What was asked for behind it: a path, a variable's name; empty where the door has only one
        /// thing behind it.
        argument: String,
    },
    /// The policy grants no more of it. The guest is told `EDQUOT`, or `EMFILE` for handles.
    QuotaExceeded {
        /// What is used up.
        quota: Quota,
        /// How much there was.
        limit: u64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { door, argument } if argument.is_empty() => {
                write!(f, "the door `{door}` is closed to it")
            }
            Self::Denied { door, argument } => {
                write!(f, "the door `{door}` is closed to it for {argument:?}")
            }
            Self::QuotaExceeded { quota, limit } => {
                write!(f, "its quota of {limit} {quota} is used up")
            }
        }
    }
}

/// What keeps a hypercall from an answer above zero.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The policy.
    Refused(Refusal),
    /// The guest asked for something impossible, or the kernel could not do it.
    Errno(Errno),
    /// A function of the host's gave no result.
    HostFunction {
        /// Its name.
        function: String,
        /// Why not.
        reason: String,
    },
    /// The call's time was over, or it was cancelled, while the host worked for it.
    Ended(Ended),
}

impl Stop {
    pub(super) fn denied(door: Door, argument: impl AsRef<str>) -> Self {
        Self::Refused(Refusal::denied(door, argument.as_ref()))
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Over> for Stop {
    fn from(over: Over) -> Self {
        match over {
            Over::Ended(ended) => Self::Ended(ended),
            Over::Exceeded { quota, limit } => {
                Self::Refused(Refusal::QuotaExceeded { quota, limit })
            }
        }
    }
}

impl From<NoWait> for Stop {
    fn from(no_wait: NoWait) -> Self {
        match no_wait {
            NoWait::Ended(ended) => Self::Ended(ended),
            NoWait::Errno(errno) => Self::Errno(errno),
        }
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl Refusal {
    /// A door that is closed, for what is behind it.
    pub(crate) fn denied(door: Door, argument: &str) -> Self {
        Self::Denied {
            door,
            argument: argument.to_owned(),
        }
    }

    /// What the guest is told.
    pub(super) const fn errno(&self) -> Errno {
        match self {
            Self::Denied { .. } => Errno::ACCESS,
            Self::QuotaExceeded {
                quota: Quota::Handles,
                ..
            } => Errno::MFILE,
            Self::QuotaExceeded { .. } => Errno::DQUOT,
        }
    }
}

/// The answer to a hypercall, or why there is none.
pub(crate) type Answer = Result<u64, Stop>;
