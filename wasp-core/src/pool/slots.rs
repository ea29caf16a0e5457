//! How things that are dear to make pass from hand to hand: clean ones to whoever needs one, used ones to
//! whoever cleans them, and never more of them than a limit.
//!
//! ```text
//!               take                    put_used
//!   clean  ------------->  in use  ------------------>  used
//!     ^ ^                   |   |                        | next_used
//!     | +---- put_clean ----+   +-- forget    take      v
//!     +------------------ put_clean ---------------- being cleaned -- forget
//! ```
//!
//! Knows nothing of machines, so that a model checker can go through all that two or three threads can
//! do here.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::Error;
use crate::base::sync::{Condvar, Mutex, MutexGuard};

/// So many may be on their way back for something new to be made all the same: with these, nobody waits who hands
/// things over to be cleaned and comes back for the next at once. More would be made for each time that he is faster.
const SPARE: usize = 2;

/// The things in stock, each made from a template that it still knows, and what is known of them all.
pub(crate) struct SlotPool<T, P> {
    limit: usize,
    state: Mutex<State<T, P>>,
    /// All is over, and nothing is being cleaned any more.
    settled: Condvar,
}

struct State<T, P> {
    /// What new things are made from. Things made from another are not taken back.
    template: P,
    /// The latest used last, so that its memory is still in the processor's caches.
    clean: Vec<T>,
    used: VecDeque<T>,
    /// All there are: clean, used, in use, in the making and being cleaned.
    live: usize,
    /// Of these, the ones that are being cleaned.
    cleaning: usize,
    /// Those who wait for something clean, each by what it is woken by; the first comes first. To wake
    /// takes a system call even where nobody waits.
    queue: VecDeque<Arc<Condvar>>,
    hits: u64,
    misses: u64,
    closed: bool,
}

/// What [`SlotPool::take`] gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Acquired<T, P> {
    /// A clean thing.
    Clean(T),
    /// The right, and the duty, to make one from this; or else to [forget](SlotPool::forget) it.
    Make(P),
    /// Something used, to be cleaned by whoever wants it, or else forgotten: those who clean are not fast
    /// enough.
    Used(T),
}

/// Calls that found something clean, calls that did not, and what is clean now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) size: usize,
}

impl<T, P: Clone> State<T, P> {
    /// The latest of the preferred ones, else the latest of all.
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

    /// Something clean, or the right to make it, or something to be cleaned, waiting at most `patience` for
    /// any. Who waits longest comes first. Of several clean ones, it is one that is `preferred`, if there
    /// is one.
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
        // Not before: where the machine's clock is slow, reading it is a system call.
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

    /// Takes something clean in. Gives it back where it was made from an outdated template, or all is over;
    /// it is then no longer counted.
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

    /// Takes something used in. Gives it back where all is over; it is then no longer counted.
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

    /// The next thing to be cleaned, for whoever then calls [`SlotPool::cleaned`].
    pub(crate) fn next_used(&self) -> Option<T> {
        let mut state = self.lock();
        let thing = state.used.pop_front()?;
        state.cleaning += 1;
        Some(thing)
    }

    /// What [`SlotPool::next_used`] gave is back in stock, or forgotten.
    pub(crate) fn cleaned(&self) {
        let mut state = self.lock();
        state.cleaning -= 1;
        self.wake(&state);
    }

    /// The one clean thing of these that was used longest ago, for whoever then calls [`SlotPool::take_back`].
    pub(crate) fn lend(&self, which: impl Fn(&T) -> bool) -> Option<T> {
        let mut state = self.lock();
        let at = state.clean.iter().position(which)?;
        state.cleaning += 1;
        Some(state.clean.remove(at))
    }

    /// What [`SlotPool::lend`] gave: it counts as used longest ago. Gives it back where it was made from an outdated
    /// template, or all is over; it is then no longer counted.
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

    /// What [`SlotPool::lend`] gave has ceased to be.
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

    /// Something has ceased to be, or was not made after all.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        state.live -= 1;
        self.wake(&state);
    }

    /// What new things are made from.
    pub(crate) fn template(&self) -> P {
        self.lock().template.clone()
    }

    /// Has new things made from `template`, and gives away all clean ones. `old` must be in force.
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

    /// Gives clean things away until at most `count` are left.
    pub(crate) fn trim(&self, count: usize) -> Vec<T> {
        let mut state = self.lock();
        let keep = state.clean.len().min(count);
        let surplus = state.clean.split_off(keep);
        state.live -= surplus.len();
        self.wake(&state);
        surplus
    }

    /// Gives everything away that is here, first what is clean, then what is used, and waits until
    /// nothing is being cleaned. What comes back later is not taken.
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

    /// Wakes whoever a change may concern: of those who want something only the first, since the others
    /// would find that it is not their turn.
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
