//! A machine's slot with the watchdog, and the steps by which its runner and the watchdog synchronize.
//!
//! ```text
//! Idle --arm--> Armed --disarm--> Idle                              in time
//!                 \--end--> Kicking --> Kicked --disarm--> Idle     too late
//! ```
//!
//! `disarm` waits out `Kicking`, so no kick is under way once it has returned.
//!
//! A machine serves one tenant after the other. Each lease of it, and so each call of a function, is one *tenancy* with
//! its own number. Both words that others may change, the run's state and the request to cancel, carry that number, and
//! every change compares it. So a handle that cancels one tenant's runs can neither end another's nor leave a request
//! behind for it.
//!
//! The steps that decide are sequentially consistent. Each is one side of a race in which each side stores and then
//! loads what the other has stored. Relaxed stores are published by these.

use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr};

use crate::base::ended::Ended;
use crate::base::sync::Ordering::{Relaxed, SeqCst};
use crate::base::sync::{AtomicBool, AtomicU64, spin};
use crate::limits::deadline::NEVER;

/// The run's state: these in the two lowest bits, the tenancy above them.
const IDLE: u64 = 0;
const ARMED: u64 = 1;
const KICKING: u64 = 2;
const KICKED: u64 = 3;
const STATE: u64 = 3;
const ONE_TENANCY: u64 = 4;

/// One machine's slot with the watchdog.
pub(crate) struct Slot {
    state: AtomicU64,
    /// While armed: when the run must end, by [`now`](crate::limits::deadline::now).
    deadline: AtomicU64,
    /// The time limit of the latest call, in nanoseconds.
    limit: AtomicU64,
    /// Whether it was armed since the watchdog last checked.
    used: AtomicBool,
    /// The tenancy, and in the lowest bit whether its current or next run is to be ended.
    cancelled: AtomicU64,
    /// The thread that runs the vCPU.
    pub(super) thread: AtomicI32,
    /// `immediate_exit` of the vCPU's `kvm_run`; null once the machine is gone.
    pub(super) immediate_exit: AtomicPtr<u8>,
    /// A descriptor of the machine's process, for signals to it; [`NO_PROCESS`] for a vCPU.
    pub(super) process: AtomicI32,
    /// Ends the process where signals to it are not permitted.
    pub(super) denied: fn(),
}

/// In place of a process's descriptor.
pub(super) const NO_PROCESS: i32 = -1;

/// Who uses a machine: the number of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenancy(u64);

impl Slot {
    pub(super) fn new(immediate_exit: *mut u8) -> Self {
        Self {
            state: AtomicU64::new(IDLE),
            deadline: AtomicU64::new(NEVER),
            limit: AtomicU64::new(NEVER),
            used: AtomicBool::new(false),
            cancelled: AtomicU64::new(0),
            thread: AtomicI32::new(0),
            immediate_exit: AtomicPtr::new(immediate_exit),
            process: AtomicI32::new(NO_PROCESS),
            denied: || {},
        }
    }

    pub(super) fn of_process(process: i32, denied: fn()) -> Self {
        let slot = Self {
            denied,
            ..Self::new(ptr::null_mut())
        };
        slot.process.store(process, SeqCst);
        slot
    }

    /// Who uses the machine now. Only who uses it may ask.
    #[inline]
    pub(crate) fn tenancy(&self) -> Tenancy {
        Tenancy(self.cancelled.load(Relaxed) & !1)
    }

    /// Ends a tenancy, and with it every request to cancel its runs. Called by its holder, with no run active.
    #[inline]
    pub(crate) fn end_tenancy(&self) {
        let next = self.tenancy().0.wrapping_add(ONE_TENANCY);
        // Exchanged, as in a cancellation, so that the two are ordered.
        self.cancelled.swap(next, SeqCst);
    }

    /// Begins a run that must end at `deadline`, of a call whose time limit is `limit`.
    #[inline]
    pub(super) fn arm(&self, deadline: u64, limit: u64) {
        self.limit.store(limit, Relaxed);
        self.deadline.store(deadline, Relaxed);
        // It is mostly set already; a store would take the cache line each time.
        if !self.used.load(SeqCst) {
            self.used.store(true, SeqCst);
        }
        // Publishes all of the above.
        self.state.store(self.tenancy().0 | ARMED, SeqCst);
    }

    /// Ends a run. Returns whether it was ended from outside.
    #[inline]
    pub(super) fn disarm(&self) -> Option<Ended> {
        let Tenancy(tenancy) = self.tenancy();
        let in_time = self
            .state
            .compare_exchange(tenancy | ARMED, tenancy | IDLE, SeqCst, SeqCst);
        if in_time.is_ok() {
            return None;
        }
        while self.state.load(SeqCst) & STATE == KICKING {
            spin();
        }
        self.state.store(tenancy | IDLE, SeqCst);
        match self.take_cancelled() {
            true => Some(Ended::Cancelled),
            false => Some(Ended::TimedOut),
        }
    }

    /// Asks to end this tenant's current or next run. Does nothing if another tenant uses the machine by now.
    pub(super) fn cancel(&self, Tenancy(tenancy): Tenancy, kick: impl FnOnce()) {
        let asked = self
            .cancelled
            .compare_exchange(tenancy, tenancy | 1, SeqCst, SeqCst);
        // If it was asked for before, the run may have been armed since.
        if asked.is_ok() || asked == Err(tenancy | 1) {
            self.end(tenancy, kick);
        }
    }

    /// Whether a request to end this tenant's current or next run is pending.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(SeqCst) & 1 != 0
    }

    /// Between runs: takes back a pending request to end the next run. Returns whether there was one.
    pub(crate) fn take_cancelled(&self) -> bool {
        let Tenancy(tenancy) = self.tenancy();
        let taken = self
            .cancelled
            .compare_exchange(tenancy | 1, tenancy, SeqCst, SeqCst);
        taken.is_ok()
    }

    /// Between runs: asks to end this tenant's next run, because the current one had already stopped. Called by the
    /// tenant.
    #[cold]
    pub(crate) fn ask_again(&self) {
        self.cancelled.fetch_or(1, SeqCst);
    }

    /// Kicks the tenant's run, if one is active. Runs of several slots may be ended at the same time, but each slot's
    /// only by one thread.
    fn end(&self, tenancy: u64, kick: impl FnOnce()) {
        let armed = self
            .state
            .compare_exchange(tenancy | ARMED, tenancy | KICKING, SeqCst, SeqCst);
        if armed.is_ok() {
            kick();
            self.state.store(tenancy | KICKED, SeqCst);
        }
    }

    /// When this slot's next run might have to end, if the slot was used since this was last called. The last call may
    /// continue, or another with the same limit may begin.
    pub(super) fn expected(&self, now: u64) -> u64 {
        if !self.used.swap(false, SeqCst) {
            return NEVER;
        }
        let next = now.saturating_add(self.limit.load(Relaxed));
        match self.deadline.load(Relaxed) {
            last if last > now => next.min(last),
            _ => next,
        }
    }

    /// Kicks the run if its time is up. Otherwise returns when that will be.
    pub(super) fn check(&self, now: u64, kick: impl FnOnce()) -> u64 {
        let state = self.state.load(SeqCst);
        if state & STATE != ARMED {
            return NEVER;
        }
        let deadline = self.deadline.load(Relaxed);
        if deadline > now {
            return deadline;
        }
        self.end(state & !STATE, kick);
        NEVER
    }
}
