//! Threads that clean up in the background: one queue for the whole process.
//!
//! The first thread starts with the first piece of work, and they stay. If none can be started, the caller does the
//! work.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::base::caught::caught;
use crate::base::fork;
use crate::machine::Machine;

/// A provider of background work.
pub(crate) trait Reclaim: Send + Sync {
    /// Does one piece of work, if there is one left.
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
    /// Sleeping threads. Waking takes a system call even if nobody sleeps.
    idle: usize,
}

/// A machine that will not be used again. Tearing it down takes a millisecond, and more for each page of its memory, so
/// it is done in the background. If too many wait already, the caller does it.
pub(crate) struct Disposable(Option<Machine>);

/// How many may wait, each with its memory.
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
            // Any lock that its teardown takes may be held forever.
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

/// Makes another thread do one piece of work soon.
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
            // Nobody can handle a panic here, and it must not end the thread.
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
