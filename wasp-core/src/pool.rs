//! The machines of one function: those that are clean and wait, and how many there may be.
//!
//! Each live VM makes every `munmap` and page fault of the process dearer, so their number is
//! bounded; a call beyond the bound waits for one to come free.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::machine::Machine;
use crate::template::Template;

/// A function's template and machines.
pub(crate) struct Pool {
    template: Template,
    limit: usize,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    /// Clean machines; the latest used last, so that its memory is still in the caches.
    idle: Vec<Machine>,
    /// All machines, idle and in use.
    live: usize,
    /// Calls that wait for a machine. Waking takes a system call even where nobody waits.
    waiting: usize,
}

impl Pool {
    pub(crate) fn new(template: Template) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            template,
            // Some to spare for calls that wait inside the host.
            limit: (4 * cores).max(8),
            state: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    pub(crate) const fn template(&self) -> &Template {
        &self.template
    }

    /// A clean machine, waiting at most `patience` for one.
    pub(crate) fn get(&self, patience: Duration) -> Result<Lease<'_>, Error> {
        let idle = self.take_or_reserve(patience)?;
        let machine = match idle {
            Some(machine) => machine,
            // Outside the lock: it takes the better part of a millisecond.
            None => self.template.machine().inspect_err(|_| self.release())?,
        };
        Ok(Lease {
            pool: self,
            machine: Some(machine),
        })
    }

    /// An idle machine, or `None` and the right to make one.
    fn take_or_reserve(&self, patience: Duration) -> Result<Option<Machine>, Error> {
        let mut state = self.lock();
        if let Some(machine) = state.idle.pop() {
            return Ok(Some(machine));
        }
        // Not before: where the machine's clock is slow, reading it is a system call.
        let start = Instant::now();
        loop {
            if let Some(machine) = state.idle.pop() {
                return Ok(Some(machine));
            }
            if state.live < self.limit {
                state.live += 1;
                return Ok(None);
            }
            let waited = start.elapsed();
            if waited >= patience {
                return Err(Error::Busy {
                    limit: self.limit,
                    waited,
                });
            }
            state.waiting += 1;
            let woken = self.returned.wait_timeout(state, patience - waited);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
    }

    /// Gives back the right to a machine.
    fn release(&self) {
        let mut state = self.lock();
        state.live -= 1;
        self.wake_one(&state);
    }

    fn put(&self, machine: Machine) {
        let mut state = self.lock();
        state.idle.push(machine);
        self.wake_one(&state);
    }

    fn wake_one(&self, state: &State) {
        if state.waiting > 0 {
            self.returned.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A machine in use. Dropped, it is torn down: only [`Lease::give_back`] vouches for it.
pub(crate) struct Lease<'a> {
    pool: &'a Pool,
    machine: Option<Machine>,
}

impl Lease<'_> {
    /// Resets a machine whose call ended well, and puts it back.
    pub(crate) fn give_back(mut self, arguments: u64, length: u64) {
        let pool = self.pool;
        if pool.template.reset(&mut self, arguments, length)
            && let Some(machine) = self.machine.take()
        {
            pool.put(machine);
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(machine) = self.machine.take() {
            drop(machine);
            self.pool.release();
        }
    }
}

const OWNED: &str = "only give_back and drop take the machine, and both end the lease";

impl Deref for Lease<'_> {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        self.machine.as_ref().expect(OWNED)
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut Machine {
        self.machine.as_mut().expect(OWNED)
    }
}
