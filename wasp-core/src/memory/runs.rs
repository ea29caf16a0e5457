//! Pages of memory, as runs of adjacent pages.

use std::mem;
use std::ops::Range;

use virtine_rt::abi::PAGE_SIZE;

/// Page addresses, as ranges whose ends are multiples of the page size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs(Vec<Range<u64>>);

impl Runs {
    /// Adds a run. Most runs directly follow the last one.
    #[inline]
    pub(crate) fn push(&mut self, run: Range<u64>) {
        match self.0.last_mut() {
            Some(last) if last.start <= run.start && run.start <= last.end => {
                last.end = last.end.max(run.end);
            }
            _ => self.0.push(run),
        }
    }

    /// Sorts the runs in ascending order and merges them, so that each page appears once and no runs are adjacent.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if !self.0.is_sorted_by(|run, next| run.end < next.start) {
            self.sort();
        }
    }

    #[cold]
    fn sort(&mut self) {
        self.0.sort_unstable_by_key(|run| run.start);
        self.0.dedup_by(|next, run| {
            let joined = next.start <= run.end;
            if joined {
                run.end = run.end.max(next.end);
            }
            joined
        });
    }

    /// Moves all runs of `other` into this.
    #[inline]
    pub(crate) fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The number of runs.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The number of pages in the runs. Unless they are settled, some pages count more than once.
    #[inline]
    pub(crate) fn pages(&self) -> u64 {
        self.0
            .iter()
            .map(|run| (run.end - run.start) / PAGE_SIZE)
            .sum()
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().cloned()
    }

    /// The address of each page.
    pub(crate) fn each_page(&self) -> impl Iterator<Item = u64> {
        self.iter().flat_map(|run| run.step_by(PAGE_SIZE as usize))
    }

    /// Settles the runs and returns them for storage.
    pub(crate) fn into_boxed(mut self) -> Box<[Range<u64>]> {
        self.settle();
        mem::take(&mut self.0).into_boxed_slice()
    }
}

impl FromIterator<Range<u64>> for Runs {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(runs: I) -> Self {
        let mut all = Self::default();
        runs.into_iter().for_each(|run| all.push(run));
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn runs(pages: &[Range<u64>]) -> Runs {
        let ranges = pages.iter().cloned();
        ranges
            .map(|run| run.start * PAGE_SIZE..run.end * PAGE_SIZE)
            .collect()
    }

    #[test]
    fn runs_are_merged_where_they_meet_or_overlap() {
        let mut all = runs(&[8..9, 0..2, 2..3, 1..5, 4..5]);
        all.settle();
        assert_eq!(all, runs(&[0..5, 8..9]));
        assert_eq!((all.len(), all.pages()), (2, 6));
    }

    proptest! {
        #[test]
        fn settled_runs_hold_exactly_the_pages_that_were_added(
            added in prop::collection::vec((0..60_u64, 0..9_u64), 0..40)
        ) {
            let added: Vec<Range<u64>> = added.iter().map(|(start, length)| *start..start + length).collect();
            let expected: BTreeSet<u64> = added.iter().cloned().flatten().map(|page| page * PAGE_SIZE).collect();
            let mut all = runs(&added);
            all.settle();
            let found: Vec<u64> = all.each_page().collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
            let runs: Vec<Range<u64>> = all.iter().filter(|run| !run.is_empty()).collect();
            prop_assert!(runs.is_sorted_by(|run, next| run.end < next.start));
        }
    }
}
