//! A machine's place with the watchdog, and the steps by which its runner and the watchdog meet.
//!
//! ```text
//! Idle --arm--> Armed --disarm--> Idle                              in time
//!                 \--end--> Kicking --> Kicked --disarm--> Idle     too late
//! ```
//!
//! `disarm` waits out `Kicking`, so no kick is under way once it has returned.
//!
//! What decides is sequentially consistent: every such step is one side of a race in which each side
//! stores and then looks for what the other has stored. What is relaxed is published by these.

use std::sync::atomic::{AtomicI32, AtomicPtr};

use crate::sync::Ordering::{Relaxed, SeqCst};
use crate::sync::{AtomicBool, AtomicU8, AtomicU64, spin};

const IDLE: u8 = 0;
const ARMED: u8 = 1;
const KICKING: u8 = 2;
const KICKED: u8 = 3;

/// A time that never comes.
pub(super) const NEVER: u64 = u64::MAX;

/// One machine's place with the watchdog.
pub(crate) struct Slot {
    state: AtomicU8,
    /// While armed: when the run must end, in the watchdog's nanoseconds.
    deadline: AtomicU64,
    /// The limit of the latest run, in nanoseconds.
    limit: AtomicU64,
    /// Armed since the watchdog last looked.
    used: AtomicBool,
    /// Somebody has asked for the run's end, or for the next one's.
    cancelled: AtomicBool,
    /// The thread that runs the vCPU.
    pub(super) thread: AtomicI32,
    /// `immediate_exit` of the vCPU's `kvm_run`; null once the machine is gone.
    pub(super) immediate_exit: AtomicPtr<u8>,
}

/// Why a run was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its deadline passed.
    TimedOut,
    /// Somebody cancelled it.
    Cancelled,
}

impl Slot {
    pub(super) fn new(immediate_exit: *mut u8) -> Self {
        Self {
            state: AtomicU8::new(IDLE),
            deadline: AtomicU64::new(NEVER),
            limit: AtomicU64::new(NEVER),
            used: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            thread: AtomicI32::new(0),
            immediate_exit: AtomicPtr::new(immediate_exit),
        }
    }

    /// Begins a run at `now` that may take `limit`; returns when it must end.
    #[inline]
    pub(super) fn arm(&self, now: u64, limit: u64) -> u64 {
        let deadline = now.saturating_add(limit);
        self.limit.store(limit, Relaxed);
        self.deadline.store(deadline, Relaxed);
        // It mostly is; a store would take the cache line each time.
        if !self.used.load(SeqCst) {
            self.used.store(true, SeqCst);
        }
        // Publishes all of the above.
        self.state.store(ARMED, SeqCst);
        deadline
    }

    /// Ends a run; tells whether it was ended from outside.
    #[inline]
    pub(super) fn disarm(&self) -> Option<Ended> {
        let in_time = self.state.compare_exchange(ARMED, IDLE, SeqCst, SeqCst);
        if in_time.is_ok() {
            return None;
        }
        while self.state.load(SeqCst) == KICKING {
            spin();
        }
        self.state.store(IDLE, SeqCst);
        match self.cancelled.swap(false, SeqCst) {
            true => Some(Ended::Cancelled),
            false => Some(Ended::TimedOut),
        }
    }

    /// When the last run had to end, to whoever has ended it.
    pub(super) fn last_deadline(&self) -> u64 {
        self.deadline.load(Relaxed)
    }

    /// Asks for the end of this run, or of the next one.
    pub(super) fn cancel(&self, kick: impl FnOnce()) {
        self.cancelled.store(true, SeqCst);
        self.end(kick);
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(SeqCst)
    }

    /// Between runs: whether the next one was to be ended, which it then is not any more.
    pub(crate) fn take_cancelled(&self) -> bool {
        self.cancelled.swap(false, SeqCst)
    }

    /// Kicks the run, if one is under way. Runs of other slots may be ended at the same time, those of
    /// this one only by one thread.
    pub(super) fn end(&self, kick: impl FnOnce()) {
        let armed = self.state.compare_exchange(ARMED, KICKING, SeqCst, SeqCst);
        if armed.is_ok() {
            kick();
            self.state.store(KICKED, SeqCst);
        }
    }

    /// When this slot's next run might have to end, if it was used since this was last asked: it may be
    /// armed again at once, with the same limit.
    pub(super) fn expected(&self, now: u64) -> u64 {
        match self.used.swap(false, SeqCst) {
            true => now.saturating_add(self.limit.load(Relaxed)),
            false => NEVER,
        }
    }

    /// Kicks the run if its time is up; else, when it will be.
    pub(super) fn check(&self, now: u64, kick: impl FnOnce()) -> u64 {
        if self.state.load(SeqCst) != ARMED {
            return NEVER;
        }
        let deadline = self.deadline.load(Relaxed);
        if deadline > now {
            return deadline;
        }
        self.end(kick);
        NEVER
    }
}
