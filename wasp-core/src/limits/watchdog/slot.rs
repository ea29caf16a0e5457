//! A machine's place with the watchdog, and the steps by which its runner and the watchdog meet.
//!
//! ```text
//! Idle --arm--> Armed --disarm--> Idle                              in time
//!                 \--end--> Kicking --> Kicked --disarm--> Idle     too late
//! ```
//!
//! `disarm` waits out `Kicking`, so no kick is under way once it has returned.
//!
//! A machine serves one tenant after the other: each lease of it, each call of a function, is one *tenancy*
//! with a number of its own. Both words that others may change, the run's state and the request to cancel,
//! carry that number, and whoever changes them compares it. So a handle to cancel one tenant's runs can
//! neither end another's nor leave a request behind for it.
//!
//! What decides is sequentially consistent: every such step is one side of a race in which each side
//! stores and then looks for what the other has stored. What is relaxed is published by these.

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

/// One machine's place with the watchdog.
pub(crate) struct Slot {
    state: AtomicU64,
    /// While armed: when the run must end, by [`now`](crate::limits::deadline::now).
    deadline: AtomicU64,
    /// How much time the latest call had in all, in nanoseconds.
    limit: AtomicU64,
    /// Armed since the watchdog last looked.
    used: AtomicBool,
    /// The tenancy, and in the lowest bit whether somebody has asked for the end of its run or of its next
    /// one.
    cancelled: AtomicU64,
    /// The thread that runs the vCPU.
    pub(super) thread: AtomicI32,
    /// `immediate_exit` of the vCPU's `kvm_run`; null once the machine is gone.
    pub(super) immediate_exit: AtomicPtr<u8>,
}

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
        }
    }

    /// Who uses the machine now. Only who uses it may ask.
    #[inline]
    pub(crate) fn tenancy(&self) -> Tenancy {
        Tenancy(self.cancelled.load(Relaxed) & !1)
    }

    /// Ends a tenancy, and with it every request to cancel its runs. Called by whoever had it, with no run
    /// under way.
    #[inline]
    pub(crate) fn end_tenancy(&self) {
        let next = self.tenancy().0.wrapping_add(ONE_TENANCY);
        // Exchanged, as by whoever cancels, so that the two come one after the other.
        self.cancelled.swap(next, SeqCst);
    }

    /// Begins a run that must end at `deadline`, of a call that has `limit` in all.
    #[inline]
    pub(super) fn arm(&self, deadline: u64, limit: u64) {
        self.limit.store(limit, Relaxed);
        self.deadline.store(deadline, Relaxed);
        // It mostly is; a store would take the cache line each time.
        if !self.used.load(SeqCst) {
            self.used.store(true, SeqCst);
        }
        // Publishes all of the above.
        self.state.store(self.tenancy().0 | ARMED, SeqCst);
    }

    /// Ends a run; tells whether it was ended from outside.
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

    /// Asks for the end of this tenant's run, or of its next one. Nothing happens where another one uses the
    /// machine by now.
    pub(super) fn cancel(&self, Tenancy(tenancy): Tenancy, kick: impl FnOnce()) {
        let asked = self
            .cancelled
            .compare_exchange(tenancy, tenancy | 1, SeqCst, SeqCst);
        // Where it was asked for before, the run may have been armed since.
        if asked.is_ok() || asked == Err(tenancy | 1) {
            self.end(tenancy, kick);
        }
    }

    /// Whether the end of this tenant's run, or of its next one, was asked for.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(SeqCst) & 1 != 0
    }

    /// Between runs: whether the next one was to be ended, which it then is not any more.
    pub(crate) fn take_cancelled(&self) -> bool {
        let Tenancy(tenancy) = self.tenancy();
        let taken = self
            .cancelled
            .compare_exchange(tenancy | 1, tenancy, SeqCst, SeqCst);
        taken.is_ok()
    }

    /// Between runs: asks for the end of this tenant's next run, in place of one that had stopped already. Called
    /// by the tenant.
    #[cold]
    pub(crate) fn ask_again(&self) {
        self.cancelled.fetch_or(1, SeqCst);
    }

    /// Kicks the tenant's run, if one is under way. Runs of other slots may be ended at the same time, those
    /// of this one only by one thread.
    fn end(&self, tenancy: u64, kick: impl FnOnce()) {
        let armed = self
            .state
            .compare_exchange(tenancy | ARMED, tenancy | KICKING, SeqCst, SeqCst);
        if armed.is_ok() {
            kick();
            self.state.store(tenancy | KICKED, SeqCst);
        }
    }

    /// When this slot's next run might have to end, if it was used since this was last asked: it may go on
    /// with the call that it last had, or begin another with as much time.
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

    /// Kicks the run if its time is up; else, when it will be.
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
