//! Sorting, in all the usual ways.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use wasp_core::virtine;

#[virtine]
pub fn bubble_sort(mut values: Vec<i32>) -> Vec<i32> {
    let n = values.len();
    for i in 0..n {
        let mut swapped = false;
        for j in 1..n - i {
            if values[j - 1] > values[j] {
                values.swap(j - 1, j);
                swapped = true;
            }
        }
        if !swapped {
            break;
        }
    }
    values
}

#[virtine]
pub fn insertion_sort(values: &[i64]) -> Vec<i64> {
    let mut sorted: Vec<i64> = Vec::with_capacity(values.len());
    for &value in values {
        let at = sorted
            .iter()
            .position(|&x| x > value)
            .unwrap_or(sorted.len());
        sorted.insert(at, value);
    }
    sorted
}

#[virtine]
pub fn selection_sort(values: &mut Vec<u16>) {
    for i in 0..values.len() {
        if let Some(min) = (i..values.len()).min_by_key(|&j| values[j]) {
            values.swap(i, min);
        }
    }
}

fn merge<T: PartialOrd + Clone>(left: &[T], right: &[T]) -> Vec<T> {
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::with_capacity(left.len() + right.len());
    while i < left.len() && j < right.len() {
        if left[i] <= right[j] {
            out.push(left[i].clone());
            i += 1;
        } else {
            out.push(right[j].clone());
            j += 1;
        }
    }
    out.extend_from_slice(&left[i..]);
    out.extend_from_slice(&right[j..]);
    out
}

fn merge_sorted<T: PartialOrd + Clone>(values: &[T]) -> Vec<T> {
    if values.len() <= 1 {
        return values.to_vec();
    }
    let (left, right) = values.split_at(values.len() / 2);
    merge(&merge_sorted(left), &merge_sorted(right))
}

#[virtine]
pub fn merge_sort(values: Vec<i32>) -> Vec<i32> {
    merge_sorted(&values)
}

#[virtine]
pub fn merge_sort_words(words: Vec<String>) -> Vec<String> {
    merge_sorted(&words)
}

fn partition<T: Ord>(values: &mut [T]) -> usize {
    let last = values.len() - 1;
    let mut store = 0;
    for i in 0..last {
        if values[i] < values[last] {
            values.swap(i, store);
            store += 1;
        }
    }
    values.swap(store, last);
    store
}

fn quick<T: Ord>(values: &mut [T]) {
    if values.len() > 1 {
        let middle = partition(values);
        let (left, right) = values.split_at_mut(middle);
        quick(left);
        quick(&mut right[1..]);
    }
}

#[virtine]
pub fn quick_sort(values: &mut [i32]) {
    quick(values)
}

#[virtine]
pub fn heap_sort(values: Vec<u32>) -> Vec<u32> {
    let mut heap: BinaryHeap<Reverse<u32>> = values.into_iter().map(Reverse).collect();
    let mut out = vec![];
    while let Some(Reverse(value)) = heap.pop() {
        out.push(value);
    }
    out
}

#[virtine]
pub fn counting_sort(values: &[u8]) -> Vec<u8> {
    let mut counts = [0usize; 256];
    for &v in values {
        counts[v as usize] += 1;
    }
    counts
        .iter()
        .enumerate()
        .flat_map(|(value, &count)| std::iter::repeat(value as u8).take(count))
        .collect()
}

#[virtine]
pub fn radix_sort(mut values: Vec<u32>) -> Vec<u32> {
    for shift in (0..32).step_by(8) {
        let mut buckets: Vec<Vec<u32>> = vec![Vec::new(); 256];
        for v in values.drain(..) {
            buckets[(v >> shift & 0xff) as usize].push(v);
        }
        values = buckets.concat();
    }
    values
}

#[virtine]
pub fn shell_sort(mut a: Vec<i16>) -> Vec<i16> {
    let mut gap = a.len() / 2;
    while gap > 0 {
        for i in gap..a.len() {
            let t = a[i];
            let mut j = i;
            while j >= gap && a[j - gap] > t {
                a[j] = a[j - gap];
                j -= gap;
            }
            a[j] = t;
        }
        gap /= 2;
    }
    a
}

#[virtine]
pub fn sort_floats(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    values
}

#[virtine]
pub fn sort_by_several_keys(mut people: Vec<(String, u8)>) -> Vec<(String, u8)> {
    people.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    people
}

#[virtine]
pub fn sort_case_insensitively(text: &str) -> String {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_by_cached_key(|word| word.to_lowercase());
    words.dedup_by_key(|word| word.to_lowercase());
    words.join(" ")
}

#[virtine]
pub fn median(values: &mut [i32]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable();
    let n = values.len();
    Some(match n % 2 {
        0 => (values[n / 2 - 1] as f64 + values[n / 2] as f64) / 2.0,
        _ => values[n / 2] as f64,
    })
}

#[virtine]
pub fn top_three(scores: Vec<u64>) -> [Option<u64>; 3] {
    let mut best = [None; 3];
    for score in scores {
        for slot in best.iter_mut() {
            if slot.map_or(true, |s| score > s) {
                *slot = Some(score);
                break;
            }
        }
    }
    best
}

#[virtine]
pub fn is_sorted_any(values: &[i32]) -> bool {
    values.windows(2).all(|w| w[0] <= w[1]) || values.windows(2).all(|w| w[0] >= w[1])
}

#[virtine]
pub fn inversions(values: Vec<i32>) -> usize {
    fn count(v: &mut Vec<i32>) -> usize {
        if v.len() < 2 {
            return 0;
        }
        let mut right = v.split_off(v.len() / 2);
        let mut total = count(v) + count(&mut right);
        let left = std::mem::take(v);
        let (mut l, mut r) = (left.into_iter().peekable(), right.into_iter().peekable());
        loop {
            match (l.peek(), r.peek()) {
                (Some(a), Some(b)) if a <= b => v.push(l.next().unwrap()),
                (Some(_), Some(_)) => {
                    total += l.clone().count();
                    v.push(r.next().unwrap());
                }
                (Some(_), None) => v.push(l.next().unwrap()),
                (None, Some(_)) => v.push(r.next().unwrap()),
                (None, None) => return total,
            }
        }
    }
    let mut values = values;
    count(&mut values)
}
