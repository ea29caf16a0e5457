//! When a call must be over, for doors that wait.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::refusal::Stop;

/// When a call must be over; `None` where the end lies beyond what clocks can tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// So much time from now.
    pub(crate) fn after(left: Duration) -> Self {
        Self(Instant::now().checked_add(left))
    }

    /// The time that is left.
    pub(crate) fn left(self) -> Duration {
        match self.0 {
            Some(end) => end.saturating_duration_since(Instant::now()),
            None => Duration::MAX,
        }
    }

    /// The same, so much later.
    pub(super) fn later_by(self, time: Duration) -> Self {
        Self(self.0.and_then(|end| end.checked_add(time)))
    }

    /// Waits until `descriptor` can be read from, or written to.
    pub(super) fn wait(self, descriptor: BorrowedFd<'_>, events: PollFlags) -> Result<(), Stop> {
        loop {
            let left = self.left();
            // More than poll can be told is as good as for ever.
            let timeout = Timespec::try_from(left).ok();
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
