//! When a call must end: one moment of the monotonic clock, fixed before its guest's first instruction.
//!
//! Every run of the guest and all of the host's work for it are checked against the same moment. So nothing that
//! happens in between (a signal, a hypercall, a page fault) gives the call more time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// The monotonic clock, in nanoseconds. It cannot be set. If the kernel's clock source is the TSC or another one that
/// processes can read directly, this takes no system call.
#[inline]
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    // The clock starts at zero when the host does.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// When a call must end, and its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    end: u64,
    limit: u64,
}

impl Deadline {
    /// A deadline this far from now. A moment beyond the clock's range never comes.
    #[inline]
    pub(crate) fn after(limit: Duration) -> Self {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(NEVER);
        Self {
            end: now().saturating_add(limit),
            limit,
        }
    }

    /// The moment itself, in the clock's nanoseconds.
    #[inline]
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// The time limit in nanoseconds, which the next call like this one will also have.
    #[inline]
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// The time limit as a duration.
    pub(crate) const fn total(&self) -> Duration {
        match self.limit {
            NEVER => Duration::MAX,
            limit => Duration::from_nanos(limit),
        }
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        match self.end {
            NEVER => Duration::MAX,
            end => Duration::from_nanos(end.saturating_sub(now())),
        }
    }

    /// Whether it has passed.
    #[inline]
    pub(crate) fn is_past(&self) -> bool {
        self.end <= now()
    }

    /// Extends it by time that is not the guest's.
    pub(crate) fn put_off(&mut self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(NEVER);
        self.end = self.end.saturating_add(time);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn deadline_passes_once_its_time_is_over() {
        let deadline = Deadline::after(Duration::from_millis(2));
        assert!(!deadline.is_past());
        assert!(deadline.left() <= Duration::from_millis(2));
        std::thread::sleep(Duration::from_millis(3));
        assert!(deadline.is_past());
        assert_eq!(deadline.left(), Duration::ZERO);
    }

    #[test]
    fn endless_limit_never_passes() {
        let mut deadline = Deadline::after(Duration::MAX);
        deadline.put_off(Duration::from_secs(1));
        assert!(!deadline.is_past());
        assert_eq!((deadline.left(), deadline.end()), (Duration::MAX, NEVER));
    }

    #[test]
    fn time_that_is_not_the_guests_puts_it_off() {
        let mut deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.is_past());
        deadline.put_off(Duration::from_secs(3600));
        assert!(!deadline.is_past());
    }
}
