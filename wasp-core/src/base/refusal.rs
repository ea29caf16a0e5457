//! Why the host refuses a guest's request.

use std::fmt;

use rustix::io::Errno;

use crate::base::capability::Capability;
use crate::base::quota::Quota;

/// Why a guest was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The policy does not grant it. The guest gets `EACCES`.
    Denied {
        /// The capability that the policy does not grant.
        capability: Capability,
        /// What was asked for: a path or a variable's name. Empty if the capability covers only one thing.
        argument: String,
    },
    /// The policy's quota is used up. The guest gets `EDQUOT`, or `EMFILE` for handles.
    QuotaExceeded {
        /// The quota that is used up.
        quota: Quota,
        /// The quota's limit.
        limit: u64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied {
                capability,
                argument,
            } if argument.is_empty() => {
                write!(f, "its policy does not grant `{capability}`")
            }
            Self::Denied {
                capability,
                argument,
            } => {
                write!(
                    f,
                    "its policy does not grant `{capability}` for {argument:?}"
                )
            }
            Self::QuotaExceeded { quota, limit } => {
                write!(f, "its quota of {limit} {quota} is used up")
            }
        }
    }
}

impl Refusal {
    /// A capability that is not granted, for this argument.
    pub(crate) fn denied(capability: Capability, argument: &str) -> Self {
        Self::Denied {
            capability,
            argument: argument.to_owned(),
        }
    }

    /// The error that the guest gets.
    pub(crate) const fn errno(&self) -> Errno {
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
