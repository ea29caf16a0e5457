//! Finding things.

use wasp_core::virtine;

#[virtine]
pub fn binary_search(haystack: &[i32], needle: i32) -> Option<usize> {
    let (mut low, mut high) = (0, haystack.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match haystack[middle].cmp(&needle) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(middle),
        }
    }
    None
}

#[virtine]
pub fn linear_search(haystack: &[String], needle: &str) -> Option<usize> {
    haystack.iter().position(|item| item == needle)
}

#[virtine]
pub fn lower_and_upper_bound(values: Vec<u32>, x: u32) -> (usize, usize) {
    (
        values.partition_point(|&v| v < x),
        values.partition_point(|&v| v <= x),
    )
}

#[virtine]
pub fn two_sum(numbers: Vec<i64>, target: i64) -> Option<(usize, usize)> {
    let mut seen = std::collections::HashMap::new();
    for (i, n) in numbers.iter().enumerate() {
        if let Some(&j) = seen.get(&(target - n)) {
            return Some((j, i));
        }
        seen.insert(*n, i);
    }
    None
}

#[virtine]
pub fn find_peak(values: &[i32]) -> Option<usize> {
    (0..values.len()).find(|&i| {
        (i == 0 || values[i - 1] <= values[i])
            && (i + 1 == values.len() || values[i] >= values[i + 1])
    })
}

fn prefix_function(pattern: &[u8]) -> Vec<usize> {
    let mut pi = vec![0; pattern.len()];
    let mut k = 0;
    for i in 1..pattern.len() {
        while k > 0 && pattern[k] != pattern[i] {
            k = pi[k - 1];
        }
        if pattern[k] == pattern[i] {
            k += 1;
        }
        pi[i] = k;
    }
    pi
}

#[virtine]
pub fn kmp_find_all(text: &str, pattern: &str) -> Vec<usize> {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    if pattern.is_empty() {
        return vec![];
    }
    let pi = prefix_function(pattern);
    let mut matched = 0;
    let mut found = Vec::new();
    for (i, &c) in text.iter().enumerate() {
        while matched > 0 && pattern[matched] != c {
            matched = pi[matched - 1];
        }
        if pattern[matched] == c {
            matched += 1;
        }
        if matched == pattern.len() {
            found.push(i + 1 - matched);
            matched = pi[matched - 1];
        }
    }
    found
}

#[virtine]
pub fn rabin_karp(text: &[u8], pattern: &[u8]) -> Option<usize> {
    const BASE: u64 = 257;
    const MODULUS: u64 = 1_000_000_007;
    let m = pattern.len();
    if m == 0 || m > text.len() {
        return None;
    }
    let hash = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0u64, |h, &b| (h * BASE + u64::from(b)) % MODULUS)
    };
    let high = (1..m).fold(1u64, |p, _| p * BASE % MODULUS);
    let wanted = hash(pattern);
    let mut rolling = hash(&text[..m]);
    for start in 0..=text.len() - m {
        if rolling == wanted && &text[start..start + m] == pattern {
            return Some(start);
        }
        if start + m < text.len() {
            let out = u64::from(text[start]) * high % MODULUS;
            rolling = ((rolling + MODULUS - out) * BASE + u64::from(text[start + m])) % MODULUS;
        }
    }
    None
}

#[virtine]
pub fn ternary_search_max(coefficients: (f64, f64, f64)) -> f64 {
    let (a, b, c) = coefficients;
    let f = |x: f64| a * x * x + b * x + c;
    let (mut low, mut high) = (-100.0_f64, 100.0_f64);
    for _ in 0..200 {
        let (m1, m2) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if f(m1) < f(m2) { low = m1 } else { high = m2 }
    }
    (low * 1000.0).round() / 1000.0
}

#[virtine]
pub fn boyer_moore_majority(votes: &[u32]) -> Option<u32> {
    let mut candidate = None;
    let mut count = 0usize;
    for &vote in votes {
        if count == 0 {
            candidate = Some(vote);
        }
        if Some(vote) == candidate {
            count += 1
        } else {
            count -= 1
        }
    }
    candidate.filter(|c| votes.iter().filter(|v| *v == c).count() * 2 > votes.len())
}

#[virtine]
pub fn kth_smallest(mut values: Vec<i32>, k: usize) -> Option<i32> {
    if k >= values.len() {
        return None;
    }
    let (_, &mut found, _) = values.select_nth_unstable(k);
    Some(found)
}

#[virtine]
pub fn longest_run(text: &str) -> Option<(char, usize)> {
    let mut best: Option<(char, usize)> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut n = 1;
        while chars.next_if_eq(&c).is_some() {
            n += 1;
        }
        if best.is_none_or(|(_, m)| n > m) {
            best = Some((c, n));
        }
    }
    best
}
