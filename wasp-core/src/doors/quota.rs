//! How much of what its doors give a call may have.

use std::fmt;

use super::refusal::{Refusal, Stop};

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
pub(super) struct Limits {
    pub(super) bytes_read: u64,
    pub(super) bytes_written: u64,
    pub(super) output: u64,
    pub(super) handles: u64,
    pub(super) hypercalls: u64,
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
    pub(super) const fn of(&mut self, quota: Quota) -> &mut u64 {
        match quota {
            Quota::BytesRead => &mut self.bytes_read,
            Quota::BytesWritten => &mut self.bytes_written,
            Quota::Output => &mut self.output,
            Quota::Handles => &mut self.handles,
            Quota::Hypercalls => &mut self.hypercalls,
        }
    }
}

/// What a call has left.
pub(super) struct Meter {
    limits: Limits,
    left: Limits,
}

impl Meter {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            left: limits,
        }
    }

    /// How much of `wanted` the call may still have.
    pub(super) fn allow(&mut self, quota: Quota, wanted: u64) -> Result<u64, Stop> {
        let left = *self.left.of(quota);
        match left == 0 && wanted > 0 {
            true => Err(self.exceeded(quota)),
            false => Ok(wanted.min(left)),
        }
    }

    /// What the guest is refused with where that is not enough.
    pub(super) const fn exceeded(&mut self, quota: Quota) -> Stop {
        Stop::Refused(Refusal::QuotaExceeded {
            quota,
            limit: *self.limits.of(quota),
        })
    }

    /// Takes `used` off what is left; [`Meter::allow`] has said that there is so much.
    pub(super) const fn take(&mut self, quota: Quota, used: u64) {
        let left = self.left.of(quota);
        *left = left.saturating_sub(used);
    }

    /// Gives back what was taken.
    pub(super) const fn give_back(&mut self, quota: Quota, unused: u64) {
        let left = self.left.of(quota);
        *left = left.saturating_add(unused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_bytes_are_given_and_then_none() {
        let mut meter = Meter::new(Limits {
            output: 10,
            ..Limits::default()
        });
        assert_eq!(meter.allow(Quota::Output, 7), Ok(7));
        meter.take(Quota::Output, 7);
        assert_eq!(meter.allow(Quota::Output, 7), Ok(3));
        meter.take(Quota::Output, 3);
        assert_eq!(meter.allow(Quota::Output, 0), Ok(0));
        let exceeded = Refusal::QuotaExceeded {
            quota: Quota::Output,
            limit: 10,
        };
        assert_eq!(meter.allow(Quota::Output, 1), Err(Stop::Refused(exceeded)));
    }
}
