//! Threads that clean up behind everybody: one queue for the whole process.
//!
//! The first starts with the first piece of work, and they stay. Where none can be started, the caller
//! works himself.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::base::caught::caught;
use crate::base::fork;
use crate::machine::Machine;

/// Somebody with work to be done behind the callers' backs.
pub(crate) trait Reclaim: Send + Sync {
    /// Does one piece of it, if there is one left.
    fn reclaim_one(&self);
}

/// Cleaning mostly waits for the kernel's own locks, so more threads would not clean faster.
const MAX_THREADS: usize = 2;

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    work: VecDeque::new(),
    threads: 0,
    idle: 0,
});
static FILLED: Condvar = Condvar::new();

struct Queue {
    work: VecDeque<Arc<dyn Reclaim>>,
    threads: usize,
    /// Threads that sleep. Waking takes a system call even where nobody does.
    idle: usize,
}

/// A machine that nobody will use again: to tear it down takes a millisecond, and more for each page of its
/// memory, so that is done behind its user's back. Where too many wait for that already, its user does it.
pub(crate) struct Disposable(Option<Machine>);

/// So many may wait, each with its memory.
const MAX_WAITING: usize = 4;

impl From<Machine> for Disposable {
    fn from(machine: Machine) -> Self {
        Self(Some(machine))
    }
}

impl Drop for Disposable {
    fn drop(&mut self) {
        let machine = self.0.take();
        if fork::is_child() {
            // Whatever lock its teardown takes may be held for ever.
            std::mem::forget(machine);
        } else if lock().work.len() < MAX_WAITING {
            call(Arc::new(Discarded(Mutex::new(machine))));
        }
    }
}

const OWNED: &str = "only drop takes the machine";

impl Deref for Disposable {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        self.0.as_ref().expect(OWNED)
    }
}

impl DerefMut for Disposable {
    fn deref_mut(&mut self) -> &mut Machine {
        self.0.as_mut().expect(OWNED)
    }
}

struct Discarded(Mutex<Option<Machine>>);

impl Reclaim for Discarded {
    fn reclaim_one(&self) {
        let machine = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(machine);
    }
}

/// Has one piece of work done soon, by another thread.
pub(crate) fn call(work: Arc<dyn Reclaim>) {
    let mut queue = lock();
    queue.work.push_back(work);
    if queue.idle > 0 {
        FILLED.notify_one();
    } else if queue.threads < MAX_THREADS {
        let started = thread::Builder::new()
            .name("virtine-cleaner".to_owned())
            .spawn(work_for_ever);
        queue.threads += usize::from(started.is_ok());
    }
    if queue.threads == 0 {
        let work = queue.work.pop_front();
        drop(queue);
        work.inspect(|work| work.reclaim_one());
    }
}

fn work_for_ever() {
    let mut queue = lock();
    loop {
        if let Some(work) = queue.work.pop_front() {
            drop(queue);
            // A panic here is nobody's to hear of, and must not take the thread along.
            let _ = caught(|| work.reclaim_one());
            drop(work);
            queue = lock();
        } else {
            queue.idle += 1;
            queue = FILLED.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}

fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}
