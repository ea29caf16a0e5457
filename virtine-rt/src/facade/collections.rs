//! `std::collections`: alloc's, and hashbrown's tables behind the signatures of std's.

pub mod hash_map;
pub mod hash_set;

pub use alloc_crate::collections::{
    BTreeMap, BTreeSet, BinaryHeap, LinkedList, TryReserveError, VecDeque, binary_heap, btree_map,
    btree_set, linked_list, vec_deque,
};

pub use core::ops::Bound;
pub use hash_map::HashMap;
pub use hash_set::HashSet;

use alloc_crate::vec::Vec;

/// hashbrown's error as alloc's, which nobody but alloc can make.
fn reserved<E>(result: Result<(), E>) -> Result<(), TryReserveError> {
    result.or_else(|_| Vec::<u8>::new().try_reserve(usize::MAX))
}
