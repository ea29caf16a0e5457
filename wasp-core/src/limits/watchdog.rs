//! Deadlines for running vCPUs, without a system call for each run.
//!
//! One thread per process watches all machines. A run stores its deadline in the machine's [`Slot`], and removes it
//! afterwards; both are a few atomic operations. The thread sleeps until the earliest deadline that it knows of. A run
//! wakes it only if its own deadline is earlier still. In a loop of similar calls this never happens: if a slot was
//! used since the last check, the thread expects it to be armed again with the same limit.
//!
//! To end a run, the thread first sets `immediate_exit`, which keeps a vCPU that is not yet in `KVM_RUN` from entering
//! it. Then it sends a signal, which interrupts a vCPU that is (KVM API document, 5, `immediate_exit`).
//!
//! All times are of the monotonic clock, which cannot be set.

use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

use crate::Error;
use crate::base::ended::Ended;
use crate::limits::deadline::{Deadline, NEVER, now};
use crate::limits::watchdog::agenda::Agenda;
use crate::limits::watchdog::slot::{NO_PROCESS, Slot, Tenancy};
pub use signal::use_signal;

pub(crate) mod agenda;
mod signal;
pub(crate) mod slot;

/// The process's watchdog.
pub(crate) struct Watchdog {
    signal: i32,
    shared: Mutex<Shared>,
    wake: Condvar,
    agenda: Agenda,
}

struct Shared {
    slots: Vec<Arc<Slot>>,
    /// The thread is asked to check now.
    poked: bool,
    /// The thread has been started.
    watched: bool,
}

impl Watchdog {
    /// The process's only watchdog. Its thread starts with the first use.
    pub(crate) fn get() -> Result<&'static Self, Error> {
        static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();
        let watchdog = match WATCHDOG.get() {
            Some(watchdog) => watchdog,
            None => {
                let signal = signal::install()?;
                WATCHDOG.get_or_init(|| Self::new(signal))
            }
        };
        watchdog.start()?;
        Ok(watchdog)
    }

    fn new(signal: i32) -> Self {
        Self {
            signal,
            shared: Mutex::new(Shared {
                slots: Vec::new(),
                poked: false,
                watched: false,
            }),
            wake: Condvar::new(),
            agenda: Agenda::new(),
        }
    }

    /// Starts the thread, unless it is running. A failure is not cached: the next machine tries again.
    fn start(&'static self) -> Result<(), Error> {
        let mut shared = self.lock();
        if !shared.watched {
            thread::Builder::new()
                .name("virtine-watchdog".to_owned())
                .spawn(|| self.watch())
                .map_err(Error::system("start of the watchdog thread"))?;
            shared.watched = true;
        }
        Ok(())
    }

    /// Adds a machine. `immediate_exit` must stay valid until [`Watchdog::leave`].
    pub(crate) fn enter(&self, immediate_exit: *mut u8) -> Arc<Slot> {
        let slot = Arc::new(Slot::new(immediate_exit));
        self.lock().slots.push(Arc::clone(&slot));
        slot
    }

    /// Enters a machine that is a process, by a descriptor for signals to it, which must stay open until
    /// [`Watchdog::leave`]. It is kicked by a signal to that process, which makes it stop; so no thread of this one
    /// has to be woken.
    ///
    /// `denied` ends the process in another way. It is called if this program may not send signals to it any more.
    pub(crate) fn enter_process(&self, process: RawFd, denied: fn()) -> Arc<Slot> {
        let slot = Arc::new(Slot::of_process(process, denied));
        self.lock().slots.push(Arc::clone(&slot));
        slot
    }

    /// Takes a machine out that is about to be torn down.
    pub(crate) fn leave(&self, slot: &Arc<Slot>) {
        self.lock().slots.retain(|other| !Arc::ptr_eq(other, slot));
        slot.immediate_exit.store(ptr::null_mut(), SeqCst);
        slot.process.store(NO_PROCESS, SeqCst);
    }

    /// Lets the current thread run the slot's vCPU until `deadline`.
    #[inline]
    pub(crate) fn arm(&self, slot: &Slot, deadline: &Deadline) {
        // Published by arming.
        slot.thread
            .store(signal::ready_thread(self.signal), Relaxed);
        slot.arm(deadline.end(), deadline.limit());
        if slot.is_cancelled() {
            self.cancel(slot, slot.tenancy());
        }
        if self.agenda.is_too_late_for(deadline.end()) {
            self.lock().poked = true;
            self.wake.notify_one();
        }
    }

    /// Ends what [`Watchdog::arm`] began. Returns whether the run was ended from outside.
    #[inline]
    pub(crate) fn disarm(&self, slot: &Slot) -> Option<Ended> {
        slot.disarm()
    }

    /// Ends a tenant's run in the slot's machine, or its next run if none is active. Does nothing once the tenancy is
    /// over.
    pub(crate) fn cancel(&self, slot: &Slot, tenancy: Tenancy) {
        // Under the lock, so that the machine cannot be removed meanwhile.
        let _shared = self.lock();
        slot.cancel(tenancy, || self.kick(slot));
    }

    fn watch(&self) {
        let mut shared = self.lock();
        loop {
            shared.poked = false;
            self.agenda.look(&shared.slots, now, |slot| self.kick(slot));
            if !shared.poked {
                shared = self.sleep(shared);
            }
        }
    }

    /// Sleeps until the next check, or until poked. Waking early only makes the next check early.
    fn sleep<'a>(&'a self, shared: MutexGuard<'a, Shared>) -> MutexGuard<'a, Shared> {
        match self.agenda.next_look() {
            NEVER => self
                .wake
                .wait(shared)
                .unwrap_or_else(PoisonError::into_inner),
            next => {
                let pause = Duration::from_nanos(next.saturating_sub(now()));
                let waited = self.wake.wait_timeout(shared, pause);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn kick(&self, slot: &Slot) {
        let process = slot.process.load(SeqCst);
        if process != NO_PROCESS {
            // SAFETY: the descriptor is open until the machine has taken itself out, under the lock that the caller
            // holds.
            interrupt_process(unsafe { BorrowedFd::borrow_raw(process) }, slot.denied);
            return;
        }
        let immediate_exit = slot.immediate_exit.load(SeqCst);
        if immediate_exit.is_null() {
            return;
        }
        // SAFETY: the machine removes itself, under the lock that the caller holds, before it unmaps its kvm_run; KVM
        // reads the byte as one unit.
        unsafe { AtomicU8::from_ptr(immediate_exit) }.store(1, SeqCst);
        let process = rustix::process::getpid().as_raw_nonzero().get();
        let thread = slot.thread.load(Relaxed);
        // SAFETY: sends a signal whose handler does nothing. The thread is inside `run`, waiting
        // for the slot's kick to be over, so its number still means that thread.
        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, self.signal) };
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a guest's process stop, also one that somebody has suspended. One that has ended needs no signal.
pub(crate) fn interrupt_process(process: BorrowedFd<'_>, denied: fn()) {
    for signal in [Signal::CONT, Signal::TRAP] {
        if pidfd_send_signal(process, signal) == Err(Errno::PERM) {
            return denied();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn slot() -> (&'static Watchdog, Arc<Slot>, Box<AtomicU8>) {
        let watchdog = Watchdog::get().expect("a watchdog");
        let flag = Box::new(AtomicU8::new(0));
        let slot = watchdog.enter(flag.as_ptr());
        (watchdog, slot, flag)
    }

    #[test]
    fn run_that_ends_in_time_is_left_alone() {
        let (watchdog, slot, flag) = slot();
        watchdog.arm(&slot, &Deadline::after(Duration::from_secs(3600)));
        assert_eq!(watchdog.disarm(&slot), None);
        assert_eq!(flag.load(SeqCst), 0);
        watchdog.leave(&slot);
    }

    #[test]
    fn run_that_overstays_is_kicked() {
        let (watchdog, slot, flag) = slot();
        watchdog.arm(&slot, &Deadline::after(Duration::from_millis(1)));
        while flag.load(SeqCst) == 0 {
            thread::yield_now();
        }
        assert_eq!(watchdog.disarm(&slot), Some(Ended::TimedOut));
        watchdog.leave(&slot);
    }

    #[test]
    fn shorter_limit_is_not_missed_behind_a_longer_one() {
        let (watchdog, long, _) = slot();
        watchdog.arm(&long, &Deadline::after(Duration::from_secs(3600)));
        let (_, short, flag) = slot();
        for _ in 0..20 {
            flag.store(0, SeqCst);
            watchdog.arm(&short, &Deadline::after(Duration::from_millis(1)));
            while flag.load(SeqCst) == 0 {
                thread::yield_now();
            }
            assert_eq!(watchdog.disarm(&short), Some(Ended::TimedOut));
        }
        assert_eq!(watchdog.disarm(&long), None);
        watchdog.leave(&long);
        watchdog.leave(&short);
    }

    #[test]
    fn cancel_ends_this_run_or_the_next_and_no_other() {
        let (watchdog, slot, flag) = slot();
        let hour = &Deadline::after(Duration::from_secs(3600));
        let tenancy = slot.tenancy();
        watchdog.arm(&slot, hour);
        watchdog.cancel(&slot, tenancy);
        assert_eq!(flag.swap(0, SeqCst), 1);
        assert_eq!(watchdog.disarm(&slot), Some(Ended::Cancelled));
        watchdog.cancel(&slot, tenancy);
        watchdog.arm(&slot, hour);
        assert_eq!(flag.swap(0, SeqCst), 1);
        assert_eq!(watchdog.disarm(&slot), Some(Ended::Cancelled));
        watchdog.arm(&slot, hour);
        assert_eq!(watchdog.disarm(&slot), None);
        assert_eq!(flag.load(SeqCst), 0);
        watchdog.leave(&slot);
    }

    #[test]
    fn request_to_cancel_ends_with_its_tenancy() {
        let (watchdog, slot, flag) = slot();
        let hour = &Deadline::after(Duration::from_secs(3600));
        let old = slot.tenancy();
        watchdog.cancel(&slot, old);
        slot.end_tenancy();
        watchdog.arm(&slot, hour);
        watchdog.cancel(&slot, old);
        assert_eq!(watchdog.disarm(&slot), None);
        assert_eq!(flag.load(SeqCst), 0);
        watchdog.leave(&slot);
    }

    #[test]
    fn endless_limit_is_never_due() {
        let (watchdog, slot, flag) = slot();
        watchdog.arm(&slot, &Deadline::after(Duration::MAX));
        thread::sleep(Duration::from_millis(5));
        assert_eq!(watchdog.disarm(&slot), None);
        assert_eq!(flag.load(SeqCst), 0);
        watchdog.leave(&slot);
    }
}
