//! What a call may have only so much of.

use std::fmt;

/// Something of which one call may have only so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quota {
    /// Bytes read from files and streams.
    BytesRead,
    /// Bytes written to files and streams.
    BytesWritten,
    /// Bytes written to standard output and standard error together.
    Output,
    /// Handles open at a time, without the standard streams'.
    Handles,
    /// Hypercalls that the host answers. Beyond that the call ends.
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

/// How much a call may have of each [`Quota`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    pub(crate) output: u64,
    pub(crate) handles: u64,
    pub(crate) hypercalls: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_read: 1 << 30,
            bytes_written: 1 << 30,
            output: 64 << 20,
            handles: 64,
            hypercalls: 1_000_000,
        }
    }
}

impl Limits {
    /// As much as anybody likes.
    pub(crate) const fn endless() -> Self {
        Self {
            bytes_read: u64::MAX,
            bytes_written: u64::MAX,
            output: u64::MAX,
            handles: u64::MAX,
            hypercalls: u64::MAX,
        }
    }

    pub(crate) const fn of(&mut self, quota: Quota) -> &mut u64 {
        match quota {
            Quota::BytesRead => &mut self.bytes_read,
            Quota::BytesWritten => &mut self.bytes_written,
            Quota::Output => &mut self.output,
            Quota::Handles => &mut self.handles,
            Quota::Hypercalls => &mut self.hypercalls,
        }
    }
}
