//! The standard collections, their methods and iterators.

use std::cmp::Reverse;
use std::collections::btree_map::Entry as TreeEntry;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

#[virtine]
pub fn group_by_length(words: Vec<String>) -> HashMap<usize, Vec<String>> {
    let mut groups: HashMap<usize, Vec<String>> = HashMap::new();
    for word in words {
        groups.entry(word.len()).or_insert_with(Vec::new).push(word);
    }
    groups
}

#[virtine]
pub fn entries(pairs: Vec<(String, i32)>) -> BTreeMap<String, i32> {
    let mut map = HashMap::with_capacity(4);
    for (key, value) in pairs {
        match map.entry(key) {
            Entry::Occupied(mut entry) => *entry.get_mut() += value,
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
        }
    }
    map.retain(|_, v| *v != 0);
    map.into_iter().collect()
}

#[virtine]
pub fn set_operations(a: HashSet<u8>, b: HashSet<u8>) -> (BTreeSet<u8>, BTreeSet<u8>, usize, bool) {
    (
        a.intersection(&b).copied().collect(),
        a.difference(&b).cloned().collect(),
        a.union(&b).count(),
        (&a ^ &b).is_disjoint(&(&a & &b)) && a.is_subset(&(&a | &b)),
    )
}

#[virtine]
pub fn ranges(map: BTreeMap<u32, char>) -> (Vec<char>, Option<(u32, char)>, Option<u32>) {
    let inside = map.range(2..=5).map(|(_, c)| *c).collect();
    let first = map.first_key_value().map(|(k, v)| (*k, *v));
    (inside, first, map.range(..3).next_back().map(|(k, _)| *k))
}

#[virtine]
pub fn deque(values: Vec<i32>, window: usize) -> Vec<i32> {
    let mut best: VecDeque<usize> = VecDeque::new();
    let mut out = vec![];
    for (i, &v) in values.iter().enumerate() {
        while best.back().is_some_and(|&j| values[j] <= v) {
            best.pop_back();
        }
        best.push_back(i);
        if best[0] + window <= i {
            best.pop_front();
        }
        if i + 1 >= window {
            out.push(values[best[0]]);
        }
    }
    out
}

#[virtine]
pub fn k_largest(values: Vec<i64>, k: usize) -> Vec<i64> {
    let mut heap = BinaryHeap::new();
    for value in values {
        heap.push(Reverse(value));
        if heap.len() > k {
            heap.pop();
        }
    }
    heap.into_sorted_vec()
        .into_iter()
        .map(|Reverse(v)| v)
        .collect()
}

#[virtine]
pub fn linked(values: Vec<u8>) -> (Vec<u8>, Option<u8>) {
    let mut list: LinkedList<u8> = values.into_iter().collect();
    let mut tail = list.split_off(list.len() / 2);
    list.push_front(0);
    tail.append(&mut list);
    (tail.iter().copied().collect(), tail.back().copied())
}

struct Cache<V> {
    capacity: usize,
    order: VecDeque<String>,
    values: HashMap<String, V>,
}

impl<V> Cache<V> {
    fn get(&mut self, key: &str) -> Option<&V> {
        if let Some(at) = self.order.iter().position(|k| k == key) {
            let key = self.order.remove(at)?;
            self.order.push_back(key);
        }
        self.values.get(key)
    }

    fn put(&mut self, key: String, value: V) -> Option<String> {
        let mut evicted = None;
        if !self.values.contains_key(&key) {
            if self.values.len() == self.capacity {
                evicted = self.order.pop_front();
                evicted.as_ref().map(|old| self.values.remove(old));
            }
            self.order.push_back(key.clone());
        }
        self.values.insert(key, value);
        evicted
    }
}

#[virtine]
pub fn lru_cache(capacity: usize, keys: Vec<String>) -> (Vec<String>, Vec<bool>) {
    let mut cache = Cache {
        capacity,
        order: VecDeque::new(),
        values: HashMap::new(),
    };
    let mut evicted = vec![];
    let mut hits = vec![];
    for (i, key) in keys.into_iter().enumerate() {
        hits.push(cache.get(&key).is_some());
        evicted.extend(cache.put(key, i));
    }
    (evicted, hits)
}

#[virtine]
pub fn invert(map: HashMap<String, u32>) -> BTreeMap<u32, BTreeSet<String>> {
    map.into_iter()
        .fold(BTreeMap::new(), |mut inverse, (k, v)| {
            inverse.entry(v).or_insert_with(BTreeSet::new).insert(k);
            inverse
        })
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    Id(u32),
    Name { first: String, last: String },
    Nothing,
}

#[virtine]
pub fn keys_of_own_types(keys: Vec<Key>) -> HashMap<Key, usize> {
    let mut counts = HashMap::new();
    for key in keys {
        counts.entry(key).and_modify(|n| *n += 1).or_insert(1);
    }
    counts
}

#[virtine]
pub fn iterator_tour(
    values: Vec<i32>,
) -> (
    Vec<i32>,
    Option<i32>,
    bool,
    Vec<(usize, i32)>,
    (Vec<i32>, Vec<i32>),
) {
    let stepped = values.iter().step_by(2).rev().skip(1).copied().collect();
    let product = values.iter().copied().reduce(|a, b| a.wrapping_mul(b));
    let sorted = values.iter().is_sorted();
    let indexed = values
        .iter()
        .copied()
        .enumerate()
        .skip_while(|(_, v)| *v < 3)
        .take(3)
        .collect();
    (
        stepped,
        product,
        sorted,
        indexed,
        values.into_iter().partition(|v| v % 2 == 0),
    )
}

#[virtine]
pub fn more_iterators(text: &str) -> (String, Vec<Vec<char>>, Vec<usize>, Option<char>, i32) {
    let chars: Vec<char> = text.chars().collect();
    let scanned = chars
        .iter()
        .scan(0, |sum, c| {
            *sum += c.len_utf8();
            Some(*sum)
        })
        .collect();
    let chunks = chars.chunks(3).map(<[char]>::to_vec).collect();
    let zipped: String = chars
        .iter()
        .zip(chars.iter().skip(1))
        .map(|(a, b)| a.max(b))
        .collect();
    let last = chars.iter().copied().min_by_key(|c| Reverse(*c as u32));
    let folded = chars
        .iter()
        .try_fold(0i32, |n, c| n.checked_add(*c as i32))
        .unwrap_or(-1);
    (zipped, chunks, scanned, last, folded)
}

#[virtine]
pub fn vec_methods(mut v: Vec<u16>) -> (Vec<u16>, Vec<u16>, Vec<Vec<u16>>, usize) {
    v.dedup();
    v.insert(1, 99);
    let removed = v.swap_remove(0);
    v.extend_from_within(..2);
    v.rotate_right(1);
    v.resize(8, removed);
    let drained: Vec<u16> = v.drain(2..4).collect();
    let split = v.split(|x| *x == 99).map(|s| s.to_vec()).collect();
    v.truncate(5);
    let capacity_holds = v.capacity() >= v.len();
    (v, drained, split, capacity_holds as usize)
}

#[virtine]
pub fn slices(v: &[i32]) -> (Option<i32>, Vec<i32>, Vec<i32>, bool, Vec<i32>) {
    let first_two = match v {
        [a, b, ..] => Some(a + b),
        [a] => Some(*a),
        [] => None,
    };
    let windows = v.windows(3).map(|w| w.iter().sum()).collect();
    let chunked = v.chunks_exact(2).map(|c| c[0] * c[1]).collect();
    let joined = [v, &[0][..], v].concat();
    (
        first_two,
        windows,
        chunked,
        v.starts_with(&[1]) || v.contains(&9),
        joined,
    )
}

#[virtine]
pub fn tree_entries(words: &[String]) -> BTreeMap<char, String> {
    let mut map: BTreeMap<char, String> = BTreeMap::new();
    for word in words {
        let Some(initial) = word.chars().next() else {
            continue;
        };
        if let TreeEntry::Occupied(mut e) = map.entry(initial) {
            e.get_mut().push_str(word);
        } else {
            map.insert(initial, word.clone());
        }
    }
    if let Some(mut last) = map.last_entry() {
        last.get_mut().make_ascii_uppercase();
    }
    map
}

#[virtine]
pub fn flat_and_peek(values: Vec<Option<Vec<i32>>>) -> Vec<(i32, i32)> {
    let mut flat = values.into_iter().flatten().flatten().peekable();
    let mut runs = vec![];
    while let Some(start) = flat.next() {
        let mut end = start;
        while let Some(next) = flat.next_if(|&n| n == end + 1) {
            end = next;
        }
        runs.push((start, end));
    }
    runs
}

#[virtine]
pub fn map_of_maps(rows: Vec<(String, String, u32)>) -> BTreeMap<String, BTreeMap<String, u32>> {
    rows.iter().fold(
        Default::default(),
        |mut all: BTreeMap<String, BTreeMap<_, _>>, (a, b, n)| {
            *all.entry(a.clone())
                .or_default()
                .entry(b.clone())
                .or_insert(0) += n;
            all
        },
    )
}

#[virtine]
pub fn collect_results(texts: Vec<String>) -> (Option<Vec<u8>>, String, usize) {
    let all: Result<Vec<u8>, _> = texts.iter().map(|t| t.parse::<u8>()).collect();
    let message = match &all {
        Ok(_) => "fine".to_string(),
        Err(e) => e.to_string(),
    };
    let (good, bad): (Vec<_>, Vec<_>) = texts
        .iter()
        .map(|t| t.parse::<u8>())
        .partition(Result::is_ok);
    (all.ok(), message, good.len() * 10 + bad.len())
}

#[virtine]
pub fn lookups_through_references(
    text: &str,
    wanted: &[char],
) -> (Vec<Option<usize>>, usize, bool) {
    let counts: HashMap<char, usize> = text.chars().map(|c| (c, text.matches(c).count())).collect();
    let seen: HashSet<char> = text.chars().collect();
    // A reference to a reference: std's signature has the compiler take one away.
    let found = wanted.iter().map(|c| counts.get(&c).copied()).collect();
    let known = wanted.iter().filter(|c| seen.contains(&c)).count();
    (
        found,
        known,
        wanted.first().is_some_and(|c| counts.contains_key(&c)),
    )
}

#[virtine]
pub fn entries_by_name(words: &[String]) -> Vec<(String, usize)> {
    use std::collections::hash_map::Entry::{Occupied, Vacant};
    use std::collections::hash_map::{OccupiedEntry, VacantEntry};
    fn again(mut entry: OccupiedEntry<'_, String, usize>) {
        *entry.get_mut() += 1;
    }
    fn first(entry: VacantEntry<'_, String, usize>) -> usize {
        *entry.insert(1)
    }
    let mut counts = HashMap::new();
    for word in words {
        match counts.entry(word.clone()) {
            Occupied(entry) => again(entry),
            Vacant(entry) => _ = first(entry),
        }
    }
    counts.entry("end".to_owned()).insert_entry(0);
    let sizes: Vec<usize> = [&counts].map(HashMap::len).to_vec();
    let mut counts: Vec<_> = counts
        .into_iter()
        .chain([("sizes".to_owned(), sizes[0])])
        .collect();
    counts.sort();
    counts
}

#[virtine]
pub fn custom_hashers(keys: &[u32]) -> (usize, bool) {
    use std::collections::hash_map::{DefaultHasher, RandomState};
    use std::hash::{BuildHasher, BuildHasherDefault};
    let mut set: HashSet<u32, BuildHasherDefault<DefaultHasher>> = HashSet::default();
    set.extend(keys);
    let state = RandomState::new();
    let hasher: DefaultHasher = state.build_hasher();
    let mut map = HashMap::with_hasher(state);
    map.extend(set.iter().map(|key| (*key, ())));
    (
        map.len(),
        map.hasher().hash_one(7_u8) == { std::hash::Hasher::finish(&with(hasher, 7)) },
    )
}

fn with(
    mut hasher: std::collections::hash_map::DefaultHasher,
    value: u8,
) -> std::collections::hash_map::DefaultHasher {
    std::hash::Hash::hash(&value, &mut hasher);
    hasher
}

#[virtine]
pub fn set_algebra(one: Vec<u8>, other: Vec<u8>) -> (usize, usize, Option<u8>, bool) {
    let (mut one, other): (HashSet<u8>, HashSet<u8>) =
        (one.into_iter().collect(), HashSet::from_iter(other));
    let removed = one.take(&3).or_else(|| one.replace(200));
    one.retain(|value| value % 2 == 1);
    let left: HashSet<u8> = &one - &other;
    (
        left.len(),
        one.union(&other).count(),
        removed,
        one.remove(&1) && !one.is_superset(&other),
    )
}
