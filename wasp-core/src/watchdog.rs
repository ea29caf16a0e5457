//! Deadlines for running vCPUs, without a system call for each run.
//!
//! One thread per process watches all machines. A run stores its deadline in the machine's
//! [`Slot`], and takes it out again; both are a few atomic operations. The thread sleeps until the
//! earliest deadline that it knows of. A run wakes it only where its own deadline is earlier still,
//! which in a loop of like calls never happens: as long as a slot was used since the last look,
//! the thread expects it to be armed again with the same limit.
//!
//! To end a run, the thread first sets `immediate_exit`, which keeps a vCPU that is not yet in
//! `KVM_RUN` from entering it, and then sends a signal, which gets one out that is (KVM API
//! document, 5, `immediate_exit`). The slot's state makes the two sides meet:
//!
//! ```text
//! Idle --arm--> Armed --disarm--> Idle                 in time
//!                 \--kick--> Kicking --> Kicked --disarm--> Idle   too late
//! ```
//!
//! `disarm` waits out `Kicking`, so no signal is sent once it has returned.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

const IDLE: u8 = 0;
const ARMED: u8 = 1;
const KICKING: u8 = 2;
const KICKED: u8 = 3;

/// A time that never comes.
const NEVER: u64 = u64::MAX;

/// One machine's place with the watchdog.
pub(crate) struct Slot {
    state: AtomicU8,
    /// While armed: when the run must end, in nanoseconds of [`Watchdog::now`].
    deadline: AtomicU64,
    /// The limit of the latest run, in nanoseconds.
    limit: AtomicU64,
    /// Armed since the watchdog last looked.
    used: AtomicBool,
    /// Somebody has asked for the run's end, or for the next one's.
    cancelled: AtomicBool,
    /// The thread that runs the vCPU.
    thread: AtomicI32,
    /// `immediate_exit` of the vCPU's `kvm_run`; null once the machine is gone.
    immediate_exit: AtomicPtr<u8>,
}

/// Why a run was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its deadline passed.
    TimedOut,
    /// [`Watchdog::cancel`] was called.
    Cancelled,
}

/// The process's watchdog.
pub(crate) struct Watchdog {
    epoch: Instant,
    signal: i32,
    shared: Mutex<Shared>,
    wake: Condvar,
    /// When the thread next looks by itself.
    next_look: AtomicU64,
}

struct Shared {
    slots: Vec<Arc<Slot>>,
    /// Somebody wants the thread to look now.
    poked: bool,
}

impl Watchdog {
    /// The process's one watchdog; its thread starts with the first use.
    pub(crate) fn get() -> Result<&'static Self, Error> {
        static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        if let Some(watchdog) = WATCHDOG.get() {
            return Ok(watchdog);
        }
        let _only_one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watchdog) = WATCHDOG.get() {
            return Ok(watchdog);
        }
        let signal = claim_signal()?;
        let watchdog = WATCHDOG.get_or_init(|| Self {
            epoch: Instant::now(),
            signal,
            shared: Mutex::new(Shared {
                slots: Vec::new(),
                poked: false,
            }),
            wake: Condvar::new(),
            next_look: AtomicU64::new(NEVER),
        });
        thread::Builder::new()
            .name("virtine-watchdog".to_owned())
            .spawn(|| watchdog.watch())
            .map_err(Error::system("start of the watchdog thread"))?;
        Ok(watchdog)
    }

    /// Enters a machine. `immediate_exit` must stay valid until [`Watchdog::leave`].
    pub(crate) fn enter(&self, immediate_exit: *mut u8) -> Arc<Slot> {
        let slot = Arc::new(Slot {
            state: AtomicU8::new(IDLE),
            deadline: AtomicU64::new(NEVER),
            limit: AtomicU64::new(NEVER),
            used: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            thread: AtomicI32::new(0),
            immediate_exit: AtomicPtr::new(immediate_exit),
        });
        self.lock().slots.push(Arc::clone(&slot));
        slot
    }

    /// Takes a machine out that is about to be torn down.
    pub(crate) fn leave(&self, slot: &Arc<Slot>) {
        self.lock().slots.retain(|other| !Arc::ptr_eq(other, slot));
        slot.immediate_exit.store(ptr::null_mut(), SeqCst);
    }

    /// Lets the current thread run the slot's vCPU for `limit` from now on.
    pub(crate) fn arm(&self, slot: &Slot, limit: Duration) {
        let limit = nanoseconds(limit);
        let deadline = self.now().saturating_add(limit);
        slot.thread.store(ready_thread(self.signal), SeqCst);
        slot.limit.store(limit, SeqCst);
        slot.deadline.store(deadline, SeqCst);
        slot.used.store(true, SeqCst);
        slot.state.store(ARMED, SeqCst);
        if slot.cancelled.load(SeqCst) {
            self.cancel(slot);
        }
        // Sequential consistency: either the watchdog's look sees this slot, or this load sees the
        // time that the look has settled on.
        if deadline < self.next_look.load(SeqCst) {
            self.lock().poked = true;
            self.wake.notify_one();
        }
    }

    /// Ends what [`Watchdog::arm`] began; tells whether the run was ended from outside.
    pub(crate) fn disarm(&self, slot: &Slot) -> Option<Ended> {
        if slot
            .state
            .compare_exchange(ARMED, IDLE, SeqCst, SeqCst)
            .is_ok()
        {
            return None;
        }
        while slot.state.load(SeqCst) == KICKING {
            std::hint::spin_loop();
        }
        slot.state.store(IDLE, SeqCst);
        match slot.cancelled.swap(false, SeqCst) {
            true => Some(Ended::Cancelled),
            false => Some(Ended::TimedOut),
        }
    }

    /// Ends the slot's run, or the next one where none is under way.
    pub(crate) fn cancel(&self, slot: &Slot) {
        // Under the lock, so that the machine cannot be taken out meanwhile.
        let _shared = self.lock();
        slot.cancelled.store(true, SeqCst);
        self.end(slot);
    }

    fn watch(&self) {
        let mut shared = self.lock();
        loop {
            shared.poked = false;
            self.look(&shared.slots);
            let next = self.next_look.load(SeqCst);
            if !shared.poked {
                let pause = Duration::from_nanos(next.saturating_sub(self.now()));
                // A wait that ends early only makes the next look early.
                shared = match next {
                    NEVER => self
                        .wake
                        .wait(shared)
                        .unwrap_or_else(PoisonError::into_inner),
                    _ => {
                        let waited = self.wake.wait_timeout(shared, pause);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
            }
        }
    }

    /// Kicks all whose time is up and settles when to look again.
    ///
    /// The time is published before the slots are read a second time, so that no run that is armed
    /// meanwhile is missed: see [`Watchdog::arm`].
    fn look(&self, slots: &[Arc<Slot>]) {
        let now = self.now();
        let mut next = NEVER;
        for slot in slots {
            let expected = match slot.used.swap(false, SeqCst) {
                // It may be armed again at once, with a deadline no earlier than this.
                true => now.saturating_add(slot.limit.load(SeqCst)),
                false => NEVER,
            };
            next = next.min(expected).min(self.check(slot, now));
        }
        self.next_look.store(next, SeqCst);
        let earliest = slots.iter().map(|slot| self.check(slot, self.now())).min();
        self.next_look.fetch_min(earliest.unwrap_or(NEVER), SeqCst);
    }

    /// Kicks the slot if its time is up; when it would be, otherwise.
    fn check(&self, slot: &Slot, now: u64) -> u64 {
        if slot.state.load(SeqCst) != ARMED {
            return NEVER;
        }
        let deadline = slot.deadline.load(SeqCst);
        if deadline > now {
            return deadline;
        }
        self.end(slot);
        NEVER
    }

    /// Kicks the slot's run, if one is under way.
    fn end(&self, slot: &Slot) {
        if slot
            .state
            .compare_exchange(ARMED, KICKING, SeqCst, SeqCst)
            .is_ok()
        {
            self.kick(slot);
            slot.state.store(KICKED, SeqCst);
        }
    }

    fn kick(&self, slot: &Slot) {
        let immediate_exit = slot.immediate_exit.load(SeqCst);
        if immediate_exit.is_null() {
            return;
        }
        // SAFETY: the machine takes itself out, under the lock that the caller holds, before it
        // unmaps its kvm_run; KVM reads the byte as one unit.
        unsafe { AtomicU8::from_ptr(immediate_exit) }.store(1, SeqCst);
        let process = rustix::process::getpid().as_raw_nonzero().get();
        let thread = slot.thread.load(SeqCst);
        // SAFETY: sends a signal whose handler does nothing. The thread is inside `run`, waiting
        // for the state to leave KICKING, so its number still means that thread.
        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, self.signal) };
    }

    fn now(&self) -> u64 {
        nanoseconds(self.epoch.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// The current thread's number, once it is sure that the signal reaches it. Two system calls for each
/// thread that runs a vCPU, none for each run.
fn ready_thread(signal: i32) -> i32 {
    thread_local! {
        static ID: Cell<Option<i32>> = const { Cell::new(None) };
    }
    ID.get().unwrap_or_else(|| {
        unblock(signal);
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        ID.set(Some(id));
        id
    })
}

/// Many programs block all signals in their worker threads; this one is nobody's but ours.
fn unblock(signal: i32) {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set that it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: it has just been initialised.
    let set = unsafe { set.assume_init_mut() };
    // SAFETY: `set` is initialised, and the signal is one that sigaction has accepted.
    unsafe { libc::sigaddset(set, signal) };
    // SAFETY: changes the current thread's own mask only; fails only for an unknown first argument.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, set, ptr::null_mut()) };
}

/// Installs a handler that does nothing on the highest real-time signal that is still free.
///
/// With `SA_RESTART`, so that a signal that arrives late disturbs no system call of the thread's;
/// `KVM_RUN` is not restarted by it.
fn claim_signal() -> Result<i32, Error> {
    extern "C" fn ignore(_: i32) {}
    for signal in (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev() {
        let mut current = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: asks only; `current` is a valid place for the answer.
        if unsafe { libc::sigaction(signal, ptr::null(), current.as_mut_ptr()) } != 0 {
            continue;
        }
        // SAFETY: all-zero was a valid value already, and the kernel has overwritten it.
        let current = unsafe { current.assume_init() };
        if current.sa_sigaction != libc::SIG_DFL {
            continue;
        }
        // SAFETY: all-zero is a valid sigaction: default action, empty mask.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = ignore as extern "C" fn(i32) as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        // SAFETY: the handler is async-signal-safe, since it does nothing.
        if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } == 0 {
            return Ok(signal);
        }
    }
    Err(Error::system("search for a free real-time signal")(
        io::ErrorKind::ResourceBusy.into(),
    ))
}

#[cfg(test)]
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
        watchdog.arm(&slot, Duration::from_secs(3600));
        assert_eq!(watchdog.disarm(&slot), None);
        assert_eq!(flag.load(SeqCst), 0);
        watchdog.leave(&slot);
    }

    #[test]
    fn run_that_overstays_is_kicked() {
        let (watchdog, slot, flag) = slot();
        watchdog.arm(&slot, Duration::from_millis(1));
        while flag.load(SeqCst) == 0 {
            thread::yield_now();
        }
        assert_eq!(watchdog.disarm(&slot), Some(Ended::TimedOut));
        watchdog.leave(&slot);
    }

    #[test]
    fn shorter_limit_is_not_missed_behind_a_longer_one() {
        let (watchdog, long, _) = slot();
        watchdog.arm(&long, Duration::from_secs(3600));
        let (_, short, flag) = slot();
        for _ in 0..20 {
            flag.store(0, SeqCst);
            watchdog.arm(&short, Duration::from_millis(1));
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
        let hour = Duration::from_secs(3600);
        watchdog.arm(&slot, hour);
        watchdog.cancel(&slot);
        assert_eq!(flag.swap(0, SeqCst), 1);
        assert_eq!(watchdog.disarm(&slot), Some(Ended::Cancelled));
        watchdog.cancel(&slot);
        watchdog.arm(&slot, hour);
        assert_eq!(flag.swap(0, SeqCst), 1);
        assert_eq!(watchdog.disarm(&slot), Some(Ended::Cancelled));
        watchdog.arm(&slot, hour);
        assert_eq!(watchdog.disarm(&slot), None);
        assert_eq!(flag.load(SeqCst), 0);
        watchdog.leave(&slot);
    }

    #[test]
    fn endless_limit_is_never_due() {
        let (watchdog, slot, flag) = slot();
        watchdog.arm(&slot, Duration::MAX);
        thread::sleep(Duration::from_millis(5));
        assert_eq!(watchdog.disarm(&slot), None);
        assert_eq!(flag.load(SeqCst), 0);
        watchdog.leave(&slot);
    }
}
