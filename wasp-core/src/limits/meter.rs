//! The meter of one call: its time, its memory, and what remains of each quota.
//!
//! There is one for each call of a function, each run of a program and each serving of a raw guest. It exists before
//! the guest's first instruction. Every exit that the host answers and every long piece of the host's work for the
//! guest goes through it, so a deadline or a quota cannot be bypassed. Work is done in
//! [pieces](crate::limits::pieces::Pieces), and the meter is checked before each.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::base::ended::Ended;
use crate::base::quota::Quota;
use crate::limits::deadline::{Deadline, now};
use crate::limits::quotas::Quotas;
use crate::limits::watchdog::slot::Slot;

/// How often a waiting call checks for cancellation.
const LOOK: Duration = Duration::from_millis(10);

/// What remains of one call's limits.
#[derive(Clone)]
pub(crate) struct Meter {
    deadline: Deadline,
    /// Where requests to cancel the call arrive. `None` for a call without a machine.
    slot: Option<Arc<Slot>>,
    limits: Quotas,
    left: Quotas,
    /// Bytes of host memory that a value decoded from the guest's bytes may take.
    memory: u64,
}

/// Why a call gets no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// Its time is over.
    Ended(Ended),
    /// It has used up a quota.
    Exceeded {
        quota: Quota,
        /// The quota's limit.
        limit: u64,
    },
}

/// Why a wait failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWait {
    /// The call's time is over.
    Ended(Ended),
    /// The kernel cannot wait on this descriptor.
    Errno(Errno),
}

/// Whether a call with this deadline, which can be cancelled through `slot`, may continue.
#[inline]
fn check(slot: Option<&Slot>, deadline: &Deadline, now: u64) -> Result<(), Ended> {
    if let Some(slot) = slot
        && slot.is_cancelled()
        && slot.take_cancelled()
    {
        return Err(Ended::Cancelled);
    }
    match deadline.end() <= now {
        true => Err(Ended::TimedOut),
        false => Ok(()),
    }
}

/// What the host may spend on one value: memory, and the call's time.
pub(crate) struct Allowance<'m> {
    deadline: &'m Deadline,
    slot: Option<&'m Arc<Slot>>,
    memory: u64,
}

impl<'m> Allowance<'m> {
    /// Lets the call be cancelled through the slot of its machine.
    #[inline]
    pub(crate) const fn in_machine(mut self, slot: &'m Arc<Slot>) -> Self {
        self.slot = Some(slot);
        self
    }

    /// Takes this many bytes of memory. If fewer are left, fails with how many.
    #[inline]
    pub(crate) const fn take(&mut self, bytes: u64) -> Result<(), u64> {
        match self.memory.checked_sub(bytes) {
            Some(left) => self.memory = left,
            None => return Err(self.memory),
        }
        Ok(())
    }

    /// Whether the call may continue.
    pub(crate) fn check(&self) -> Result<(), Ended> {
        check(self.slot.map(|slot| &**slot), self.deadline, now())
    }
}

impl From<Ended> for Over {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl Meter {
    /// The meter of a call that must end by `deadline`. `memory` is the number of bytes that the host may spend on
    /// values decoded from the guest's bytes.
    #[inline]
    pub(crate) const fn new(deadline: Deadline, limits: Quotas, memory: u64) -> Self {
        Self {
            deadline,
            slot: None,
            limits,
            left: limits,
            memory,
        }
    }

    /// Lets the call be cancelled through the slot of its machine.
    #[inline]
    pub(crate) fn in_machine(mut self, slot: &Arc<Slot>) -> Self {
        self.slot = Some(Arc::clone(slot));
        self
    }

    /// When the call must end.
    #[inline]
    pub(crate) const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Whether the call may continue. This consumes a request to cancel it, which ends the call once.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Ended> {
        self.check_at(now())
    }

    #[inline]
    pub(super) fn check_at(&self, now: u64) -> Result<(), Ended> {
        check(self.slot.as_deref(), &self.deadline, now)
    }

    /// Counts a hypercall or system call.
    pub(crate) fn count_hypercall(&mut self) -> Result<(), Over> {
        self.check()?;
        self.allow(Quota::Hypercalls, 1)?;
        self.take(Quota::Hypercalls, 1);
        Ok(())
    }

    /// Does host work whose time does not count as the guest's.
    pub(crate) fn uncounted<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = now();
        let result = work();
        let taken = now().saturating_sub(start);
        self.deadline.put_off(Duration::from_nanos(taken));
        result
    }

    /// How much of `wanted` the call may still use.
    pub(crate) fn allow(&mut self, quota: Quota, wanted: u64) -> Result<u64, Over> {
        let left = *self.left.of(quota);
        match left == 0 && wanted > 0 {
            true => Err(self.exceeded(quota)),
            false => Ok(wanted.min(left)),
        }
    }

    /// Takes all of it from a quota, or nothing.
    pub(crate) fn whole(&mut self, quota: Quota, wanted: u64) -> Result<(), Over> {
        match self.allow(quota, wanted)? {
            allowed if allowed == wanted => self.take(quota, wanted),
            _ => return Err(self.exceeded(quota)),
        }
        Ok(())
    }

    const fn exceeded(&mut self, quota: Quota) -> Over {
        Over::Exceeded {
            quota,
            limit: *self.limits.of(quota),
        }
    }

    /// Takes `used` from a quota. [`Meter::allow`] has confirmed that this much is left.
    pub(crate) const fn take(&mut self, quota: Quota, used: u64) {
        let left = self.left.of(quota);
        *left = left.saturating_sub(used);
    }

    /// Returns an unused amount to a quota.
    pub(crate) const fn give_back(&mut self, quota: Quota, unused: u64) {
        let left = self.left.of(quota);
        *left = left.saturating_add(unused);
    }

    /// What the host may spend on one value decoded from the guest's bytes.
    #[inline]
    pub(crate) const fn allowance(&self) -> Allowance<'_> {
        Allowance {
            deadline: &self.deadline,
            slot: self.slot.as_ref(),
            memory: self.memory,
        }
    }

    /// Waits until `descriptor` is readable or writable.
    pub(crate) fn wait(&self, descriptor: BorrowedFd<'_>, events: PollFlags) -> Result<(), NoWait> {
        loop {
            let timeout = self.look().map_err(NoWait::Ended)?;
            let mut waiting = [PollFd::from_borrowed_fd(descriptor, events)];
            match poll(&mut waiting, Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(NoWait::Errno(errno)),
            }
        }
    }

    /// Sleeps.
    pub(crate) fn pause(&self, time: Duration) -> Result<(), Ended> {
        let end = Deadline::after(time);
        while !end.is_past() {
            let pause = self.look()?;
            let left = Timespec::try_from(end.left()).unwrap_or(pause);
            // Without descriptors, this only waits.
            let _ = poll(&mut [], Some(&pause.min(left)));
        }
        Ok(())
    }

    /// How long to wait before the next check of the meter.
    fn look(&self) -> Result<Timespec, Ended> {
        self.check()?;
        let pause = self.deadline.left().min(LOOK);
        Ok(Timespec {
            tv_sec: 0,
            tv_nsec: pause.subsec_nanos().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(limit: Duration, most: u64) -> Meter {
        let mut limits = Quotas::default();
        *limits.of(Quota::BytesRead) = most;
        Meter::new(Deadline::after(limit), limits, 100)
    }

    #[test]
    fn quota_is_given_out_as_far_as_it_goes() {
        let mut meter = meter(Duration::MAX, 10);
        assert_eq!(meter.allow(Quota::BytesRead, 7), Ok(7));
        meter.take(Quota::BytesRead, 7);
        assert_eq!(meter.allow(Quota::BytesRead, 7), Ok(3));
        assert!(meter.whole(Quota::BytesRead, 4).is_err());
        assert_eq!(meter.whole(Quota::BytesRead, 3), Ok(()));
        assert_eq!(
            meter.allow(Quota::BytesRead, 0),
            Ok(0),
            "nothing is always there"
        );
        let exceeded = Over::Exceeded {
            quota: Quota::BytesRead,
            limit: 10,
        };
        assert_eq!(meter.allow(Quota::BytesRead, 1), Err(exceeded));
    }

    #[test]
    fn memory_is_taken_until_it_is_used_up_and_anew_for_each_value() {
        let meter = meter(Duration::MAX, 0);
        for _ in 0..2 {
            let mut allowance = meter.allowance();
            assert_eq!(allowance.take(60), Ok(()));
            assert_eq!(allowance.take(41), Err(40));
            assert_eq!(allowance.take(40), Ok(()));
            assert_eq!(allowance.take(1), Err(0));
        }
    }

    #[test]
    fn nothing_goes_on_behind_the_deadline() {
        let mut meter = meter(Duration::ZERO, 1);
        assert_eq!(meter.check(), Err(Ended::TimedOut));
        assert_eq!(meter.count_hypercall(), Err(Over::Ended(Ended::TimedOut)));
        assert_eq!(meter.pieces().next(), Err(Ended::TimedOut));
        assert_eq!(meter.pause(Duration::from_secs(60)), Err(Ended::TimedOut));
    }

    #[test]
    fn time_of_the_hosts_own_work_is_not_counted() {
        let mut meter = meter(Duration::from_millis(500), 1);
        let left = meter.deadline().left();
        meter.uncounted(|| std::thread::sleep(Duration::from_millis(20)));
        assert!(left - meter.deadline().left() < Duration::from_millis(20));
    }

    #[test]
    fn pause_takes_as_long_as_it_is_told_to() {
        let start = std::time::Instant::now();
        assert_eq!(
            meter(Duration::MAX, 0).pause(Duration::from_millis(25)),
            Ok(())
        );
        assert!(start.elapsed() >= Duration::from_millis(25));
    }
}
