//! When a call must be over, for doors that wait.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::refusal::Stop;
use crate::watchdog::Slot;

/// How often somebody who waits looks whether the wait has been cancelled.
const LOOK: Duration = Duration::from_millis(10);

/// When a call must be over; `None` where the end lies beyond what clocks can tell.
#[derive(Clone)]
pub(crate) struct Deadline {
    end: Option<Instant>,
    /// By whose cancelling it is over sooner.
    slot: Option<Arc<Slot>>,
}

impl Deadline {
    /// So much time from now.
    pub(crate) fn after(left: Duration) -> Self {
        Self {
            end: Instant::now().checked_add(left),
            slot: None,
        }
    }

    /// The same, or as soon as this machine's run is cancelled.
    pub(crate) fn or_cancelled(self, slot: &Arc<Slot>) -> Self {
        Self {
            slot: Some(Arc::clone(slot)),
            ..self
        }
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        match self.end {
            Some(end) => end.saturating_duration_since(Instant::now()),
            None => Duration::MAX,
        }
    }

    /// Puts it off.
    pub(super) fn put_off(&mut self, time: Duration) {
        self.end = self.end.and_then(|end| end.checked_add(time));
    }

    /// Waits until `descriptor` can be read from, or written to.
    pub(super) fn wait(&self, descriptor: BorrowedFd<'_>, events: PollFlags) -> Result<(), Stop> {
        loop {
            let left = self.left();
            let pause = match &self.slot {
                Some(slot) if slot.is_cancelled() => return Err(Stop::TimedOut),
                Some(_) => left.min(LOOK),
                None => left,
            };
            // More than poll can be told is as good as for ever.
            let timeout = Timespec::try_from(pause).ok();
            let mut waiting = [PollFd::from_borrowed_fd(descriptor, events)];
            match poll(&mut waiting, timeout.as_ref()) {
                Ok(0) if left.is_zero() => return Err(Stop::TimedOut),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
