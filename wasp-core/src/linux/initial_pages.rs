//! The pages of a program that have contents before it runs.

use std::ops::Range;
use std::sync::Arc;

use virtine_rt::abi::PAGE_SIZE;

/// The pages that have contents from the start: runs in ascending order.
#[derive(Clone, Debug, Default)]
pub(crate) struct InitialPages(pub(crate) Arc<[Range<u64>]>);

impl InitialPages {
    /// Collects these pages, which are in ascending order.
    pub(crate) fn of(pages: &[u64]) -> Self {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for &page in pages {
            match runs.last_mut() {
                Some(last) if last.end == page => last.end += PAGE_SIZE,
                _ => runs.push(page..page + PAGE_SIZE),
            }
        }
        Self(runs.into())
    }

    /// The pages from `start` to `end`.
    pub(crate) fn pages_between(&self, start: u64, end: u64) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(move |run| {
            let inside = run.start.max(start)..run.end.min(end);
            inside.step_by(PAGE_SIZE as usize)
        })
    }
}
