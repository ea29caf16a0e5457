//! When the watchdog next checks, agreed on with all threads that begin a run meanwhile.

use std::sync::Arc;

use crate::base::sync::Ordering::SeqCst;
use crate::base::sync::{AtomicU64, store_before_load};
use crate::limits::deadline::NEVER;
use crate::limits::watchdog::slot::Slot;

/// The time of the next check, in the watchdog's nanoseconds.
pub(super) struct Agenda {
    next_look: AtomicU64,
}

impl Agenda {
    pub(super) fn new() -> Self {
        Self {
            next_look: AtomicU64::new(NEVER),
        }
    }

    pub(super) fn next_look(&self) -> u64 {
        self.next_look.load(SeqCst)
    }

    /// Whether a run that has just been armed ends before the next check, so that the watchdog must be woken.
    ///
    /// Sequential consistency: either the check sees the armed slot, or this load sees the time that the check has
    /// chosen.
    #[inline]
    pub(super) fn is_too_late_for(&self, deadline: u64) -> bool {
        store_before_load();
        deadline < self.next_look.load(SeqCst)
    }

    /// Kicks all runs whose time is up, and chooses the time of the next check.
    ///
    /// The time is published before the slots are read a second time, so that no run that is armed meanwhile is missed.
    pub(super) fn look(&self, slots: &[Arc<Slot>], now: impl Fn() -> u64, kick: impl Fn(&Slot)) {
        let start = now();
        let mut next = NEVER;
        for slot in slots {
            next = next.min(slot.expected(start));
            next = next.min(slot.check(start, || kick(slot)));
        }
        self.next_look.store(next, SeqCst);
        store_before_load();
        for slot in slots {
            let due = slot.check(now(), || kick(slot));
            self.next_look.fetch_min(due, SeqCst);
        }
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test -p wasp-core --release --lib loom`
#[cfg(all(test, loom))]
mod loom_models {
    use std::ptr;

    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    use super::*;
    use crate::base::ended::Ended;

    struct Meeting {
        slot: Arc<Slot>,
        agenda: Agenda,
        kicks: AtomicUsize,
    }

    impl Meeting {
        fn new() -> loom::sync::Arc<Self> {
            loom::sync::Arc::new(Self {
                slot: Arc::new(Slot::new(ptr::null_mut())),
                agenda: Agenda::new(),
                kicks: AtomicUsize::new(0),
            })
        }

        fn look(&self, now: u64) {
            let slots = [Arc::clone(&self.slot)];
            self.agenda.look(
                &slots,
                || now,
                |_| {
                    self.kicks.fetch_add(1, SeqCst);
                },
            );
        }
    }

    #[test]
    fn loom_no_run_is_missed() {
        loom::model(|| {
            let meeting = Meeting::new();
            // The watchdog is due to wake before the run's end, so the run does not wake it. Then the watchdog wakes,
            // finds nothing, and would sleep forever.
            meeting.agenda.next_look.store(5, SeqCst);
            let watchdog = meeting.clone();
            let looking = thread::spawn(move || watchdog.look(5));
            meeting.slot.arm(10, 10);
            let told = meeting.agenda.is_too_late_for(10);
            looking.join().expect("no panic");
            assert!(told || meeting.agenda.next_look() <= 10);
        });
    }

    #[test]
    fn loom_no_kick_comes_after_the_run() {
        loom::model(|| {
            let meeting = Meeting::new();
            let watchdog = meeting.clone();
            meeting.slot.arm(10, 10);
            let looking = thread::spawn(move || watchdog.look(20));
            let ended = meeting.slot.disarm();
            let kicks = meeting.kicks.load(SeqCst);
            looking.join().expect("no panic");
            assert_eq!(meeting.kicks.load(SeqCst), kicks, "it is over");
            assert_eq!(ended.is_some(), kicks == 1);
        });
    }

    #[test]
    fn loom_cancel_ends_this_run_or_the_next() {
        loom::model(|| {
            let meeting = Meeting::new();
            let canceller = meeting.clone();
            let tenancy = meeting.slot.tenancy();
            let cancelling = thread::spawn(move || canceller.slot.cancel(tenancy, || {}));
            meeting.slot.arm(10, 10);
            let first = meeting.slot.disarm();
            cancelling.join().expect("no panic");
            meeting.slot.arm(10, 10);
            if meeting.slot.is_cancelled() {
                meeting.slot.cancel(tenancy, || {});
            }
            let second = meeting.slot.disarm();
            let cancelled = [first, second].map(|ended| ended == Some(Ended::Cancelled));
            assert!(cancelled.contains(&true), "{first:?}, {second:?}");
        });
    }

    #[test]
    fn loom_cancel_never_reaches_the_next_tenant() {
        loom::model(|| {
            let meeting = Meeting::new();
            let canceller = meeting.clone();
            let tenancy = meeting.slot.tenancy();
            meeting.slot.arm(10, 10);
            let cancelling = thread::spawn(move || {
                canceller.slot.cancel(tenancy, || {
                    canceller.kicks.fetch_add(1, SeqCst);
                });
            });
            let first = meeting.slot.disarm();
            let kicks = meeting.kicks.load(SeqCst);
            assert_eq!(first.is_some(), kicks == 1);
            meeting.slot.end_tenancy();
            meeting.slot.arm(20, 10);
            assert!(!meeting.slot.is_cancelled());
            assert_eq!(meeting.slot.disarm(), None);
            cancelling.join().expect("no panic");
            assert_eq!(meeting.kicks.load(SeqCst), kicks, "it is another's");
            assert!(!meeting.slot.is_cancelled());
        });
    }
}
