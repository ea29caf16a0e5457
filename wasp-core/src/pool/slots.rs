//! How things that are expensive to make change hands: clean ones go to callers, used ones go to those that clean them,
//! and there are never more of them than a limit.
//!
//! ```text
//!               take                    put_used
//!   clean  ------------->  in use  ------------------>  used
//!     ^ ^                   |   |                        | next_used
//!     | +---- put_clean ----+   +-- forget    take      v
//!     +------------------ put_clean ---------------- being cleaned -- forget
//! ```
//!
//! Knows nothing of machines, so that a model checker can explore everything that two or three threads can do here.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::Error;
use crate::base::sync::{Condvar, Mutex, MutexGuard};

/// A new thing is made only while fewer than this many are on their way back. With these, a caller that hands things
/// over to be cleaned and comes back at once for the next does not wait. A larger bound would make more each time it is
/// faster.
const SPARE: usize = 2;

/// The things in the pool, each with the template that it was made from, and the state of the whole pool.
pub(crate) struct SlotPool<T, P> {
    limit: usize,
    state: Mutex<State<T, P>>,
    /// The pool is closed and nothing is being cleaned any more.
    settled: Condvar,
}

struct State<T, P> {
    /// What new things are made from. Things made from another template are not taken back.
    template: P,
    /// Most recently used last, so that its memory is still in the CPU's caches.
    clean: Vec<T>,
    used: VecDeque<T>,
    /// Number of all things: clean, used, in use, being made and being cleaned.
    live: usize,
    /// How many of these are being cleaned.
    cleaning: usize,
    /// Callers that wait for something clean, in order, each with its own condition variable. Waking takes a system
    /// call even if nobody waits.
    queue: VecDeque<Arc<Condvar>>,
    hits: u64,
    misses: u64,
    closed: bool,
}

/// The result of [`SlotPool::take`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Acquired<T, P> {
    /// A clean thing.
    Clean(T),
    /// The right and the duty to make one from this template, or else to [forget](SlotPool::forget) it.
    Make(P),
    /// A used thing, for the caller to clean or else forget: the cleaning threads are not fast enough.
    Used(T),
}

/// Calls that found something clean, calls that did not, and how many are clean now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) size: usize,
}

impl<T, P: Clone> State<T, P> {
    /// The most recently used of the preferred things, or else of all.
    fn pop(&mut self, preferred: impl Fn(&T) -> bool) -> Option<T> {
        match self.clean.iter().rposition(preferred) {
            Some(at) => Some(self.clean.remove(at)),
            None => self.clean.pop(),
        }
    }

    fn obtain(&mut self, limit: usize) -> Option<Acquired<T, P>> {
        if let Some(thing) = self.clean.pop() {
            return Some(Acquired::Clean(thing));
        }
        let returning = self.used.len() + self.cleaning;
        if self.live < limit && returning < SPARE {
            self.live += 1;
            return Some(Acquired::Make(self.template.clone()));
        }
        self.used.pop_front().map(Acquired::Used)
    }
}

impl<T: Borrow<P>, P: Clone + PartialEq> SlotPool<T, P> {
    pub(crate) fn new(limit: usize, template: P) -> Self {
        Self {
            limit,
            state: Mutex::new(State {
                template,
                clean: Vec::new(),
                used: VecDeque::new(),
                live: 0,
                cleaning: 0,
                queue: VecDeque::new(),
                hits: 0,
                misses: 0,
                closed: false,
            }),
            settled: Condvar::new(),
        }
    }

    /// Returns a clean thing, or the right to make one, or one to clean. Waits at most `patience`. Waiting callers are
    /// served in order. Among several clean things, one that is `preferred` is chosen if there is one.
    #[inline]
    pub(crate) fn take(
        &self,
        patience: Duration,
        preferred: impl Fn(&T) -> bool,
    ) -> Result<Acquired<T, P>, Error> {
        let mut state = self.lock();
        if state.queue.is_empty()
            && let Some(thing) = state.pop(preferred)
        {
            state.hits += 1;
            return Ok(Acquired::Clean(thing));
        }
        state.misses += 1;
        let turn = Arc::new(Condvar::new());
        state.queue.push_back(Arc::clone(&turn));
        self.take_in_turn(state, &turn, patience)
    }

    fn take_in_turn<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<T, P>>,
        turn: &Arc<Condvar>,
        patience: Duration,
    ) -> Result<Acquired<T, P>, Error> {
        let is_own = |other: &Arc<Condvar>| Arc::ptr_eq(other, turn);
        // Not earlier: if the machine's clock is slow, reading it is a system call.
        let start = Instant::now();
        let taken = loop {
            if state.queue.front().is_some_and(is_own)
                && let Some(taken) = state.obtain(self.limit)
            {
                break Ok(taken);
            }
            let waited = start.elapsed();
            if waited >= patience {
                break Err(self.busy(waited));
            }
            let woken = turn.wait_timeout(state, patience - waited);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        };
        state.queue.retain(|other| !is_own(other));
        self.wake(&state);
        taken
    }

    /// The right to make one more, unless `count` are clean already.
    pub(crate) fn reserve(&self, count: usize) -> Result<Option<P>, Error> {
        let mut state = self.lock();
        if state.clean.len() >= count {
            return Ok(None);
        }
        if state.live >= self.limit {
            return Err(self.busy(Duration::ZERO));
        }
        state.live += 1;
        Ok(Some(state.template.clone()))
    }

    fn busy(&self, waited: Duration) -> Error {
        Error::Busy {
            limit: self.limit,
            waited,
        }
    }

    /// Takes a clean thing in. Returns it if it was made from an outdated template or the pool is closed; it is then no
    /// longer counted.
    #[inline]
    pub(crate) fn put_clean(&self, thing: T) -> Option<T> {
        let mut state = self.lock();
        let refused = match state.closed || state.template != *thing.borrow() {
            true => {
                state.live -= 1;
                Some(thing)
            }
            false => {
                state.clean.push(thing);
                None
            }
        };
        self.wake(&state);
        refused
    }

    /// Takes a used thing in. Returns it if the pool is closed; it is then no longer counted.
    pub(crate) fn put_used(&self, thing: T) -> Option<T> {
        let mut state = self.lock();
        if state.closed {
            state.live -= 1;
            return Some(thing);
        }
        state.used.push_back(thing);
        self.wake(&state);
        None
    }

    /// The next thing to clean. The caller must then call [`SlotPool::cleaned`].
    pub(crate) fn next_used(&self) -> Option<T> {
        let mut state = self.lock();
        let thing = state.used.pop_front()?;
        state.cleaning += 1;
        Some(thing)
    }

    /// What [`SlotPool::next_used`] returned is back in the pool, or forgotten.
    pub(crate) fn cleaned(&self) {
        let mut state = self.lock();
        state.cleaning -= 1;
        self.wake(&state);
    }

    /// The least recently used of these clean things. The caller must then call [`SlotPool::take_back`].
    pub(crate) fn lend(&self, which: impl Fn(&T) -> bool) -> Option<T> {
        let mut state = self.lock();
        let at = state.clean.iter().position(which)?;
        state.cleaning += 1;
        Some(state.clean.remove(at))
    }

    /// Takes back what [`SlotPool::lend`] returned, as the least recently used. Returns it if it was made from an
    /// outdated template or the pool is closed; it is then no longer counted.
    pub(crate) fn take_back(&self, thing: T) -> Option<T> {
        let mut state = self.lock();
        state.cleaning -= 1;
        let refused = match state.closed || state.template != *thing.borrow() {
            true => {
                state.live -= 1;
                Some(thing)
            }
            false => {
                state.clean.insert(0, thing);
                None
            }
        };
        self.wake(&state);
        refused
    }

    /// What [`SlotPool::lend`] returned no longer exists.
    pub(crate) fn lose(&self) {
        let mut state = self.lock();
        state.cleaning -= 1;
        state.live -= 1;
        self.wake(&state);
    }

    /// Whether any clean thing is one of these.
    pub(crate) fn has(&self, which: impl Fn(&T) -> bool) -> bool {
        self.lock().clean.iter().any(which)
    }

    /// A thing no longer exists, or was not made after all.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        state.live -= 1;
        self.wake(&state);
    }

    /// What new things are made from.
    pub(crate) fn template(&self) -> P {
        self.lock().template.clone()
    }

    /// Makes later things from `template`, and returns all clean ones. `old` must be in force.
    pub(crate) fn replace_template(&self, old: &P, template: P) -> Option<Vec<T>> {
        let mut state = self.lock();
        if state.template != *old {
            return None;
        }
        state.template = template;
        let outdated = mem::take(&mut state.clean);
        state.live -= outdated.len();
        self.wake(&state);
        Some(outdated)
    }

    /// Removes clean things until at most `count` are left, and returns them.
    pub(crate) fn trim(&self, count: usize) -> Vec<T> {
        let mut state = self.lock();
        let keep = state.clean.len().min(count);
        let surplus = state.clean.split_off(keep);
        state.live -= surplus.len();
        self.wake(&state);
        surplus
    }

    /// Removes and returns everything that is here, first clean things, then used ones, and waits until nothing is
    /// being cleaned. Things that come back later are not taken.
    pub(crate) fn close(&self) -> (Vec<T>, VecDeque<T>) {
        let mut state = self.lock();
        state.closed = true;
        let used = mem::take(&mut state.used);
        while state.cleaning > 0 {
            state = self
                .settled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let clean = mem::take(&mut state.clean);
        state.live -= clean.len() + used.len();
        (clean, used)
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let state = self.lock();
        Statistics {
            hits: state.hits,
            misses: state.misses,
            size: state.clean.len(),
        }
    }

    /// Wakes those whom a change may concern. Of the callers that wait for a thing, it wakes only the first, since the
    /// others would find that it is not their turn.
    #[inline]
    fn wake(&self, state: &State<T, P>) {
        if let Some(first) = state.queue.front() {
            first.notify_one();
        }
        if state.closed && state.cleaning == 0 {
            self.settled.notify_all();
        }
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State<T, P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the tests: a number, and the template that it was made from.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Thing(u32, u8);

#[cfg(test)]
impl Borrow<u8> for Thing {
    fn borrow(&self) -> &u8 {
        &self.1
    }
}

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, not(loom)))]
mod tests;
