//! Cancellation from outside: of one virtine's runs, or of all calls made under a token.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::watchdog::Watchdog;
use crate::limits::watchdog::slot::{Slot, Tenancy};

/// Ends the run of one [`Virtine`](crate::Virtine) from any thread.
///
/// It belongs to that virtine alone. Once a virtine that was borrowed from a [`Cache`](crate::Cache) has been returned,
/// its canceller has no effect, neither on it nor on the next user of the same machine.
#[derive(Clone)]
pub struct Canceller {
    watchdog: &'static Watchdog,
    slot: Arc<Slot>,
    tenancy: Tenancy,
}

impl Canceller {
    /// A canceller for the current user of the slot's machine.
    pub(crate) fn new(watchdog: &'static Watchdog, slot: Arc<Slot>) -> Self {
        Self {
            tenancy: slot.tenancy(),
            watchdog,
            slot,
        }
    }

    /// Ends the current run with [`Exit::Cancelled`](crate::Exit::Cancelled). If there is none, or it stops by itself
    /// at that moment, this ends the next run as soon as it starts. Does nothing once the virtine is gone.
    pub fn cancel(&self) {
        self.watchdog.cancel(&self.slot, self.tenancy);
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").finish_non_exhaustive()
    }
}

/// Ends calls of virtines from any thread: all that were or will be made under it.
///
/// ```ignore
/// let token = CancelToken::new();
/// let other = token.clone();
/// thread::spawn(move || other.cancel());
/// let result = parse::cancelled_by(&token).try_call(text); // Err(Error::Cancelled)
/// ```
///
/// A call that computes or starts its guest for the first time ends at once. A call that waits in the host ends within
/// some 10 ms, and one inside a host function ends when that returns. A call that waits for a machine, or for another
/// call that starts the guest, ends when the wait is over. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    cancelled: AtomicBool,
    /// The calls in progress, each with its own number.
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    calls: Vec<(u64, Canceller)>,
}

impl CancelToken {
    /// A token that has not been cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all calls under this token, now and later, with [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for (_, call) in &self.0.running().calls {
            call.cancel();
        }
    }

    /// Whether [`CancelToken::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Lets the token end this call, for as long as the returned value lives.
    pub(crate) fn watch(&self, call: Canceller) -> Watched<'_> {
        let mut running = self.0.running();
        let number = running.next;
        running.next += 1;
        // A cancellation after this point finds it in the list.
        if self.is_cancelled() {
            call.cancel();
        }
        running.calls.push((number, call));
        Watched {
            shared: &self.0,
            number,
        }
    }
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that a token can end.
pub(crate) struct Watched<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut running = self.shared.running();
        running.calls.retain(|(number, _)| *number != self.number);
    }
}
