//! The parts that were removed from a guest so that the rest compiles.

use std::collections::BTreeMap;

use crate::index::parts::Part;

/// The prefix of the symbols of stubs. The number of the removed part follows.
const STUB_PREFIX: &str = "__virtine_absent_";

/// Everything that was removed, each with the number of the compiler's error.
#[derive(Default)]
pub(crate) struct Removals {
    /// Parts of items, in the order of their removal.
    pub(crate) parts: Vec<RemovedPart>,
    /// Imports, by number.
    pub(crate) imports: BTreeMap<usize, usize>,
}

/// A removed part of an item.
pub(crate) struct RemovedPart {
    /// The number of the item.
    pub(crate) item: usize,
    pub(crate) file: usize,
    pub(crate) part: Part,
    /// The number of the error.
    pub(crate) error: usize,
}

impl RemovedPart {
    /// Whether all bytes of `other` are also removed with this part.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let (outer, inner) = (&self.part.bytes, &other.part.bytes);
        self.file == other.file && outer.start <= inner.start && inner.end <= outer.end
    }
}

/// The symbol of the stub that replaces a removed body.
pub(crate) fn stub_symbol(part: usize) -> String {
    format!("{STUB_PREFIX}{part}")
}

/// The number of the removed part, if this is the symbol of a stub.
pub(crate) fn part_of_stub(symbol: &str) -> Option<usize> {
    symbol.strip_prefix(STUB_PREFIX)?.parse().ok()
}
