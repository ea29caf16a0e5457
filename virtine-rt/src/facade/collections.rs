//! `std::collections`: alloc's, and hashbrown's tables under the names of std's, which are the same
//! tables.

pub use alloc_crate::collections::{
    BTreeMap, BTreeSet, BinaryHeap, LinkedList, TryReserveError, VecDeque, binary_heap, btree_map,
    btree_set, linked_list, vec_deque,
};

pub use core::ops::Bound;
pub use hash_map::HashMap;
pub use hash_set::HashSet;

/// `std::collections::hash_map`.
pub mod hash_map {
    pub use hashbrown::hash_map::{
        Drain, Entry, ExtractIf, IntoIter, IntoKeys, IntoValues, Iter, IterMut, Keys,
        OccupiedEntry, OccupiedError, VacantEntry, Values, ValuesMut,
    };

    pub use crate::hash::{DefaultHasher, RandomState};

    /// As std's, with the same parameters, so that code infers the same types from it.
    pub type HashMap<K, V, S = RandomState> = hashbrown::HashMap<K, V, S>;
}

/// `std::collections::hash_set`.
pub mod hash_set {
    pub use hashbrown::hash_set::{
        Difference, Drain, Entry, ExtractIf, Intersection, IntoIter, Iter, OccupiedEntry,
        SymmetricDifference, Union, VacantEntry,
    };

    use crate::hash::RandomState;

    /// As std's, with the same parameters, so that code infers the same types from it.
    pub type HashSet<T, S = RandomState> = hashbrown::HashSet<T, S>;
}
