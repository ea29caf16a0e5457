//! Quotas of a call.

use std::fmt;

/// Something of which one call may use only a limited amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quota {
    /// Bytes read from files and streams.
    BytesRead,
    /// Bytes written to files and streams.
    BytesWritten,
    /// Bytes written to standard output and standard error together.
    Output,
    /// Handles open at a time, not counting the standard streams.
    Handles,
    /// Hypercalls that the host answers. Exceeding this ends the call.
    Hypercalls,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BytesRead => "bytes read",
            Self::BytesWritten => "bytes written",
            Self::Output => "bytes of output",
            Self::Handles => "open handles",
            Self::Hypercalls => "hypercalls",
        })
    }
}
