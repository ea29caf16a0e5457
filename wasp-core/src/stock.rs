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
use crate::sync::{Condvar, Mutex, MutexGuard};

/// The things in stock, each made from a pattern that it still knows, and what is known of them all.
pub(crate) struct Stock<T, P> {
    limit: usize,
    state: Mutex<State<T, P>>,
    /// All is over, and nothing is being cleaned any more.
    settled: Condvar,
}

struct State<T, P> {
    /// What new things are made from. Things made from another are not taken back.
    pattern: P,
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

/// What [`Stock::take`] gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T, P> {
    /// A clean thing.
    Clean(T),
    /// The right, and the duty, to make one from this; or else to [forget](Stock::forget) it.
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

    fn obtain(&mut self, limit: usize) -> Option<Taken<T, P>> {
        if let Some(thing) = self.clean.pop() {
            return Some(Taken::Clean(thing));
        }
        if self.live < limit {
            self.live += 1;
            return Some(Taken::Make(self.pattern.clone()));
        }
        self.used.pop_front().map(Taken::Used)
    }
}

impl<T: Borrow<P>, P: Clone + PartialEq> Stock<T, P> {
    pub(crate) fn new(limit: usize, pattern: P) -> Self {
        Self {
            limit,
            state: Mutex::new(State {
                pattern,
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
    ) -> Result<Taken<T, P>, Error> {
        let mut state = self.lock();
        if state.queue.is_empty()
            && let Some(thing) = state.pop(preferred)
        {
            state.hits += 1;
            return Ok(Taken::Clean(thing));
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
    ) -> Result<Taken<T, P>, Error> {
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
        Ok(Some(state.pattern.clone()))
    }

    fn busy(&self, waited: Duration) -> Error {
        Error::Busy {
            limit: self.limit,
            waited,
        }
    }

    /// Takes something clean in. Gives it back where it was made from an outdated pattern, or all is over;
    /// it is then no longer counted.
    #[inline]
    pub(crate) fn put_clean(&self, thing: T) -> Option<T> {
        let mut state = self.lock();
        let refused = match state.closed || state.pattern != *thing.borrow() {
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

    /// The next thing to be cleaned, for whoever then calls [`Stock::cleaned`].
    pub(crate) fn next_used(&self) -> Option<T> {
        let mut state = self.lock();
        let thing = state.used.pop_front()?;
        state.cleaning += 1;
        Some(thing)
    }

    /// What [`Stock::next_used`] gave is back in stock, or forgotten.
    pub(crate) fn cleaned(&self) {
        let mut state = self.lock();
        state.cleaning -= 1;
        self.wake(&state);
    }

    /// Something has ceased to be, or was not made after all.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        state.live -= 1;
        self.wake(&state);
    }

    /// What new things are made from.
    pub(crate) fn pattern(&self) -> P {
        self.lock().pattern.clone()
    }

    /// Has new things made from `pattern`, and gives away all clean ones. `old` must be in force.
    pub(crate) fn replace_pattern(&self, old: &P, pattern: P) -> Option<Vec<T>> {
        let mut state = self.lock();
        if state.pattern != *old {
            return None;
        }
        state.pattern = pattern;
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

/// For the tests: a number, and the pattern that it was made from.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Thing(u32, u8);

#[cfg(test)]
impl Borrow<u8> for Thing {
    fn borrow(&self) -> &u8 {
        &self.1
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn stock(limit: usize) -> Stock<Thing, u8> {
        Stock::new(limit, 1)
    }

    #[test]
    fn first_ones_are_made_and_later_ones_found() {
        let stock = stock(2);
        assert_eq!(stock.take(LONG, |_| false).ok(), Some(Taken::Make(1)));
        assert_eq!(stock.put_clean(Thing(7, 1)), None);
        assert_eq!(
            stock.take(LONG, |_| false).ok(),
            Some(Taken::Clean(Thing(7, 1)))
        );
        let Statistics { hits, misses, size } = stock.statistics();
        assert_eq!((hits, misses, size), (1, 1, 0));
    }

    #[test]
    fn preferred_ones_come_first_and_then_the_latest() {
        let stock = stock(3);
        for thing in [1, 2, 3] {
            assert!(matches!(stock.take(LONG, |_| false), Ok(Taken::Make(1))));
            assert!(thing == 3 || stock.put_used(Thing(thing, 1)).is_none());
        }
        while let Some(thing) = stock.next_used() {
            assert_eq!(stock.put_clean(thing), None);
            stock.cleaned();
        }
        assert_eq!(stock.put_clean(Thing(3, 1)), None);
        let taken = [
            stock.take(LONG, |thing| thing.0 < 3).ok(),
            stock.take(LONG, |thing| thing.0 == 2).ok(),
            stock.take(LONG, |_| false).ok(),
        ];
        assert_eq!(
            taken,
            [2, 3, 1].map(|one| Some(Taken::Clean(Thing(one, 1))))
        );
    }

    #[test]
    fn limit_counts_what_is_in_use() {
        let stock = stock(1);
        assert_eq!(stock.take(LONG, |_| false).ok(), Some(Taken::Make(1)));
        let refused = stock.take(Duration::ZERO, |_| false);
        assert!(matches!(refused, Err(Error::Busy { limit: 1, .. })));
        assert!(matches!(stock.reserve(1), Err(Error::Busy { .. })));
        stock.forget();
        assert_eq!(stock.take(LONG, |_| false).ok(), Some(Taken::Make(1)));
    }

    #[test]
    fn who_finds_all_in_use_helps_to_clean() {
        let stock = stock(1);
        assert!(matches!(stock.take(LONG, |_| false), Ok(Taken::Make(1))));
        assert_eq!(stock.put_used(Thing(4, 1)), None);
        assert_eq!(
            stock.take(LONG, |_| false).ok(),
            Some(Taken::Used(Thing(4, 1)))
        );
        assert_eq!(stock.next_used(), None);
    }

    #[test]
    fn things_of_an_older_pattern_are_not_taken_back() {
        let stock = stock(3);
        for thing in [5, 6] {
            assert!(matches!(stock.take(LONG, |_| false), Ok(Taken::Make(1))));
            if thing == 5 {
                assert_eq!(stock.put_clean(Thing(thing, 1)), None);
                assert!(matches!(
                    stock.take(LONG, |_| false),
                    Ok(Taken::Clean(Thing(5, 1)))
                ));
            }
        }
        assert_eq!(stock.put_clean(Thing(5, 1)), None);
        assert_eq!(stock.replace_pattern(&1, 2), Some(vec![Thing(5, 1)]));
        assert_eq!(stock.replace_pattern(&1, 3), None);
        assert_eq!(stock.put_clean(Thing(6, 1)), Some(Thing(6, 1)));
        assert_eq!(stock.take(LONG, |_| false).ok(), Some(Taken::Make(2)));
    }

    #[test]
    fn closing_waits_for_what_is_being_cleaned() {
        let stock = stock(2);
        assert!(matches!(stock.take(LONG, |_| false), Ok(Taken::Make(1))));
        assert!(matches!(stock.take(LONG, |_| false), Ok(Taken::Make(1))));
        assert_eq!(stock.put_used(Thing(8, 1)), None);
        assert_eq!(stock.next_used(), Some(Thing(8, 1)));
        thread::scope(|scope| {
            let closing = scope.spawn(|| stock.close());
            thread::sleep(Duration::from_millis(5));
            assert!(!closing.is_finished());
            // It may come before the closing or behind it.
            let back = stock.put_clean(Thing(8, 1));
            stock.cleaned();
            let (clean, used) = closing.join().expect("no panic");
            assert!(used.is_empty());
            assert_eq!(
                back.into_iter().chain(clean).collect::<Vec<_>>(),
                [Thing(8, 1)]
            );
        });
        assert_eq!(stock.put_used(Thing(9, 1)), Some(Thing(9, 1)));
    }

    #[test]
    fn those_who_wait_are_served_in_turn() {
        let stock = stock(1);
        assert!(matches!(stock.take(LONG, |_| false), Ok(Taken::Make(1))));
        let served = AtomicUsize::new(0);
        thread::scope(|scope| {
            for turn in 0..8 {
                let (stock, served) = (&stock, &served);
                scope.spawn(move || {
                    assert!(matches!(
                        stock.take(LONG, |_| false),
                        Ok(Taken::Clean(Thing(3, 1)))
                    ));
                    assert_eq!(served.fetch_add(1, Ordering::SeqCst), turn);
                    assert_eq!(stock.put_clean(Thing(3, 1)), None);
                });
                while stock.lock().queue.len() != turn + 1 {
                    thread::yield_now();
                }
            }
            assert_eq!(stock.put_clean(Thing(3, 1)), None);
        });
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test -p wasp-core --release --lib loom`
#[cfg(all(test, loom))]
mod loom_models {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn use_one(stock: &Stock<Thing, u8>) {
        match stock.take(LONG, |_| false).expect("there is one") {
            Taken::Clean(thing) => assert_eq!(thing, Thing(1, 1)),
            Taken::Make(pattern) => assert_eq!(pattern, 1),
            Taken::Used(thing) => assert_eq!(thing, Thing(1, 1)),
        }
    }

    #[test]
    fn loom_two_users_share_one_thing_and_nobody_waits_for_ever() {
        loom::model(|| {
            let stock = Arc::new(Stock::new(1, 1));
            let other = Arc::clone(&stock);
            let user = thread::spawn(move || {
                use_one(&other);
                assert_eq!(other.put_clean(Thing(1, 1)), None);
            });
            use_one(&stock);
            assert_eq!(stock.put_clean(Thing(1, 1)), None);
            user.join().expect("no panic");
            assert_eq!(stock.statistics().size, 1);
        });
    }

    #[test]
    fn loom_used_things_come_back_through_the_cleaner() {
        loom::model(|| {
            let stock = Arc::new(Stock::new(1, 1));
            use_one(&stock);
            assert_eq!(stock.put_used(Thing(1, 1)), None);
            let other = Arc::clone(&stock);
            let cleaner = thread::spawn(move || {
                // Unless the other thread was faster and cleans it.
                if let Some(thing) = other.next_used() {
                    assert_eq!(other.put_clean(thing), None);
                    other.cleaned();
                }
            });
            use_one(&stock);
            cleaner.join().expect("no panic");
        });
    }

    #[test]
    fn loom_closing_leaves_nothing_behind() {
        loom::model(|| {
            let stock = Arc::new(Stock::new(2, 1));
            use_one(&stock);
            assert_eq!(stock.put_used(Thing(1, 1)), None);
            let other = Arc::clone(&stock);
            let cleaner = thread::spawn(move || {
                let Some(thing) = other.next_used() else {
                    return 0;
                };
                let refused = other.put_clean(thing);
                other.cleaned();
                refused.map_or(0, |_| 1)
            });
            let (clean, used) = stock.close();
            let refused = cleaner.join().expect("no panic");
            assert_eq!(clean.len() + used.len() + refused, 1);
        });
    }
}
