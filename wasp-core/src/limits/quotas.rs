//! The quotas of one call.

use crate::base::quota::Quota;

/// How much of each [`Quota`] a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quotas {
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    pub(crate) output: u64,
    pub(crate) handles: u64,
    pub(crate) hypercalls: u64,
}

impl Default for Quotas {
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

impl Quotas {
    /// No limits.
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
