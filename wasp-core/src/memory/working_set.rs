//! Tells which pages a machine's guests use and which it only holds.
//!
//! Once a guest has written a page, the page stays dirty in its page tables. Clearing the bit while KVM and the CPU may
//! hold a translation would lose the next write. So after one call that wrote many pages, every later call would
//! restore all of them. This module finds which of these pages are still used. The others are dropped, with all
//! translations of them.

use std::ops::Range;

use virtine_rt::abi::PAGE_SIZE;

use crate::memory::runs::Runs;

/// Up to this many pages, a machine is small: all of them are restored after each call, and kept.
pub(crate) const SMALL: u64 = 128;

/// The number of calls in a row that must leave a page unchanged before it is dropped.
const PATIENCE: u32 = 4;

/// To drop a page and fault it in again takes some 200 times as long as to keep it for one call. So if dropping was a
/// mistake, the next drop takes twice as many calls, up to this many.
const MOST_PATIENCE: u32 = 1024;

/// Runs shorter than this many pages are not dropped, since each run takes a system call.
const SHORTEST: u64 = 8;

/// How many calls are not compared after one that used nearly all pages, in units of the patience. Comparing a page
/// takes about as long as restoring it. So a machine whose guests have settled compares one call in 13.
const REST: u32 = 3;

/// The pages of one machine.
#[derive(Debug)]
pub(crate) struct WorkingSet {
    /// Pages that have memory of their own.
    held: Bits,
    /// The held pages that were changed in the last calls.
    used: Bits,
    /// How many calls `used` covers.
    calls: u32,
    /// How many calls without a change it takes to drop a page.
    patience: u32,
    /// How many pages were dropped last.
    dropped: u64,
    /// How many pages were held after that drop.
    left: u64,
    /// How many calls have been made since.
    since: u32,
    /// How many of the next calls are not compared.
    rest: u32,
    /// Whether this call had pages that were not held before.
    has_grown: bool,
}

impl WorkingSet {
    pub(crate) const fn new() -> Self {
        Self {
            held: Bits::new(),
            used: Bits::new(),
            calls: 0,
            patience: PATIENCE,
            dropped: 0,
            left: 0,
            since: 0,
            rest: 0,
            has_grown: false,
        }
    }

    /// The number of pages that a machine holds, or 0 if it is small.
    pub(crate) const fn pages(&self) -> u64 {
        self.held.count
    }

    /// Whether a call that wrote this many pages needs no tracking.
    #[inline]
    pub(crate) const fn is_small_with(&self, pages: u64) -> bool {
        self.held.count == 0 && pages <= SMALL
    }

    /// Records the pages that a call had. Returns whether they are to be compared with the snapshot. If so, each
    /// difference and the end of the call must be recorded, too.
    pub(crate) fn hold(&mut self, runs: &Runs) -> bool {
        let before = self.held.count;
        runs.iter().for_each(|run| self.held.insert(run));
        self.since = self.since.saturating_add(1);
        if self.dropped > 0 {
            self.judge();
        }
        self.has_grown = self.held.count > before;
        self.rest = match self.has_grown {
            true => 0,
            false => self.rest.saturating_sub(1),
        };
        self.rest == 0
    }

    /// Records a page that the call has changed.
    pub(crate) fn uses(&mut self, page: u64) {
        self.used.insert_page(page);
    }

    /// Judges whether dropping was a mistake, and adapts the patience.
    fn judge(&mut self) {
        let returned = self.held.count.saturating_sub(self.left);
        if returned >= self.dropped / 2 {
            self.patience = (2 * self.patience).min(MOST_PATIENCE);
            self.dropped = 0;
        } else if self.since > 4 * self.patience {
            self.patience = PATIENCE;
            self.dropped = 0;
        }
    }

    /// Ends a call. Returns the pages to drop, which no longer count as held.
    pub(crate) fn end_call(&mut self) -> Option<Runs> {
        self.calls += 1;
        let is_first = self.calls == 1 && !self.has_grown;
        if !is_first && self.calls < self.patience {
            return None;
        }
        let unused = self.unused();
        let pages = unused.pages();
        let are_few = pages < SMALL && pages < self.held.count / 4;
        if is_first && are_few {
            self.rest = REST * self.patience;
        } else if self.calls < self.patience {
            return None;
        }
        self.calls = 0;
        self.used.clear();
        if are_few {
            return None;
        }
        unused.iter().for_each(|run| self.held.remove(run));
        if self.held.count <= SMALL {
            self.held.clear();
        }
        (self.dropped, self.left, self.since) = (pages, self.held.count, 0);
        Some(unused)
    }

    fn unused(&self) -> Runs {
        let runs = self.held.without(&self.used);
        runs.iter()
            .filter(|run| (run.end - run.start) / PAGE_SIZE >= SHORTEST)
            .collect()
    }

    /// Records that all pages have been dropped.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
        self.used.clear();
        (self.calls, self.dropped, self.rest) = (0, 0, 0);
    }
}

/// A set of pages.
#[derive(Debug)]
struct Bits {
    words: Vec<u64>,
    /// The number of pages in the set.
    count: u64,
}

impl Bits {
    const fn new() -> Self {
        Self {
            words: Vec::new(),
            count: 0,
        }
    }

    /// The words that a run covers, with the run's bits in each.
    fn masks(run: Range<u64>) -> impl Iterator<Item = (usize, u64)> {
        let (first, end) = (run.start / PAGE_SIZE, run.end / PAGE_SIZE);
        (first / 64..end.div_ceil(64)).map(move |word| {
            let from = first.saturating_sub(word * 64).min(64);
            let to = (end - word * 64).min(64);
            let below = |bits: u64| {
                if bits == 64 {
                    u64::MAX
                } else {
                    (1 << bits) - 1
                }
            };
            (word as usize, below(to) & !below(from))
        })
    }

    fn insert(&mut self, run: Range<u64>) {
        let words = (run.end / PAGE_SIZE).div_ceil(64) as usize;
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
        for (word, mask) in Self::masks(run) {
            self.count += u64::from((mask & !self.words[word]).count_ones());
            self.words[word] |= mask;
        }
    }

    #[inline]
    fn insert_page(&mut self, page: u64) {
        let (word, bit) = (
            (page / PAGE_SIZE / 64) as usize,
            1 << (page / PAGE_SIZE % 64),
        );
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.count += u64::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    fn remove(&mut self, run: Range<u64>) {
        for (word, mask) in Self::masks(run) {
            self.count -= u64::from((mask & self.words[word]).count_ones());
            self.words[word] &= !mask;
        }
    }

    fn clear(&mut self) {
        self.words.clear();
        self.count = 0;
    }

    /// The pages that are not in `others`.
    fn without(&self, others: &Self) -> Runs {
        let others = others.words.iter().copied().chain(std::iter::repeat(0));
        let left = self
            .words
            .iter()
            .zip(others)
            .map(|(own, other)| own & !other);
        let mut runs = Runs::default();
        for (word, bits) in (0..).zip(left) {
            let mut bits: u64 = bits;
            while bits != 0 {
                let first = u64::from(bits.trailing_zeros());
                let length = u64::from((bits >> first).trailing_ones());
                let start = (word * 64 + first) * PAGE_SIZE;
                runs.push(start..start + length * PAGE_SIZE);
                bits &= match first + length {
                    64 => 0,
                    end => u64::MAX << end,
                };
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: u64, end: u64) -> Range<u64> {
        start * PAGE_SIZE..end * PAGE_SIZE
    }

    /// Records a call that holds some pages and changes some. Returns how many pages were dropped.
    fn call(set: &mut WorkingSet, held: Range<u64>, used: Range<u64>) -> u64 {
        if !set.hold(&[held].into_iter().collect()) {
            return 0;
        }
        used.step_by(PAGE_SIZE as usize)
            .for_each(|page| set.uses(page));
        set.end_call().map_or(0, |runs| runs.pages())
    }

    #[test]
    fn bits_are_runs() {
        let mut bits = Bits::new();
        for part in [run(3, 5), run(60, 200), run(64, 70), run(255, 257)] {
            bits.insert(part);
        }
        assert_eq!(bits.count, 2 + 140 + 2);
        bits.remove(run(100, 101));
        let mut others = Bits::new();
        others.insert(run(0, 4));
        let left: Vec<Range<u64>> = bits.without(&others).iter().collect();
        let expected = [run(4, 5), run(60, 100), run(101, 200), run(255, 257)];
        assert_eq!(left, expected);
    }

    #[test]
    fn what_no_call_changes_any_more_is_dropped_after_few() {
        let mut set = WorkingSet::new();
        assert_eq!(call(&mut set, run(0, 8192), run(0, 8192)), 0);
        let later: Vec<u64> = (0..7)
            .map(|_| call(&mut set, run(0, 10), run(0, 10)))
            .collect();
        // The epoch of the large call ends first.
        assert_eq!(later, [0, 0, 0, 0, 0, 0, 8182]);
        assert_eq!(set.pages(), 0);
        assert!(set.is_small_with(SMALL) && !set.is_small_with(SMALL + 1));
    }

    #[test]
    fn settled_set_that_shrinks_is_dropped_after_one_rest() {
        let mut set = WorkingSet::new();
        for _ in 0..100 {
            call(&mut set, run(0, 8192), run(0, 8192));
        }
        let dropped = (1..100).find(|_| call(&mut set, run(0, 10), run(0, 10)) > 0);
        assert!(dropped.is_some_and(|calls| calls <= 17), "{dropped:?}");
    }

    #[test]
    fn what_is_missed_is_kept_longer_each_time() {
        let mut set = WorkingSet::new();
        let mut dropped = Vec::new();
        for number in 0..4000 {
            // Dirty but unchanged: a guest that writes zeros over zeros.
            if call(&mut set, run(0, 1000), run(0, 0)) > 0 {
                dropped.push(number);
            }
        }
        let gaps: Vec<i32> = dropped.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.is_sorted() && gaps.len() < 12, "{gaps:?}");
        assert_eq!(gaps.last(), Some(&1024));
    }

    #[test]
    fn steady_set_is_never_dropped_and_seldom_compared() {
        let mut set = WorkingSet::new();
        let mut compared = 0;
        for _ in 0..130 {
            compared += u32::from(set.rest <= 1);
            assert_eq!(call(&mut set, run(0, 3000), run(0, 3000)), 0);
        }
        assert!((8..20).contains(&compared), "{compared}");
        assert_eq!(set.pages(), 3000);
        set.clear();
        assert_eq!(set.pages(), 0);
    }
}
