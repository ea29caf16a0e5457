//! Dynamic programming.

use std::collections::HashMap;

use wasp_core::virtine;

#[virtine]
pub fn knapsack(weights: &[usize], values: &[u64], capacity: usize) -> u64 {
    let mut best = vec![0; capacity + 1];
    for (&weight, &value) in weights.iter().zip(values) {
        for room in (weight..=capacity).rev() {
            best[room] = best[room].max(best[room - weight] + value);
        }
    }
    best[capacity]
}

#[virtine]
pub fn longest_common_subsequence(a: &str, b: &str) -> String {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0u32; b.len() + 1]; a.len() + 1];
    for i in 0..a.len() {
        for j in 0..b.len() {
            table[i + 1][j + 1] = if a[i] == b[j] {
                table[i][j] + 1
            } else {
                table[i][j + 1].max(table[i + 1][j])
            };
        }
    }
    let (mut i, mut j) = (a.len(), b.len());
    let mut out = Vec::new();
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            out.push(a[i - 1]);
            i -= 1;
            j -= 1;
        } else if table[i - 1][j] >= table[i][j - 1] {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    out.iter().rev().collect()
}

#[virtine]
pub fn levenshtein(a: String, b: String) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut current = vec![i + 1];
        for (j, &cb) in b.iter().enumerate() {
            let substitution = previous[j] + usize::from(ca != cb);
            current.push(substitution.min(previous[j + 1] + 1).min(current[j] + 1));
        }
        previous = current;
    }
    previous[b.len()]
}

#[virtine]
pub fn coin_change(coins: Vec<u32>, amount: u32) -> Option<u32> {
    let mut fewest = vec![None; amount as usize + 1];
    fewest[0] = Some(0);
    for total in 1..=amount {
        fewest[total as usize] = coins
            .iter()
            .filter_map(|&coin| total.checked_sub(coin))
            .filter_map(|rest| fewest[rest as usize])
            .min()
            .map(|n: u32| n + 1);
    }
    fewest[amount as usize]
}

#[virtine]
pub fn ways_to_change(coins: &[u64], amount: usize) -> u128 {
    let mut ways = vec![0u128; amount + 1];
    ways[0] = 1;
    for &coin in coins {
        for total in coin as usize..=amount {
            ways[total] += ways[total - coin as usize];
        }
    }
    ways[amount]
}

#[virtine]
pub fn longest_increasing_subsequence(values: &[i32]) -> usize {
    let mut tails: Vec<i32> = Vec::new();
    for &value in values {
        match tails.binary_search(&value) {
            Ok(_) => {}
            Err(at) if at == tails.len() => tails.push(value),
            Err(at) => tails[at] = value,
        }
    }
    tails.len()
}

#[virtine]
pub fn maximum_subarray(values: Vec<i64>) -> Option<(i64, std::ops::Range<usize>)> {
    let mut best: Option<(i64, std::ops::Range<usize>)> = None;
    let (mut sum, mut start) = (0, 0);
    for (i, &value) in values.iter().enumerate() {
        if sum <= 0 {
            sum = 0;
            start = i;
        }
        sum += value;
        if best.as_ref().is_none_or(|(s, _)| sum > *s) {
            best = Some((sum, start..i + 1));
        }
    }
    best
}

#[virtine]
pub fn matrix_chain(dimensions: &[u64]) -> u64 {
    fn cost(d: &[u64], i: usize, j: usize, memo: &mut HashMap<(usize, usize), u64>) -> u64 {
        if i + 1 >= j {
            return 0;
        }
        if let Some(&known) = memo.get(&(i, j)) {
            return known;
        }
        let best = (i + 1..j)
            .map(|k| cost(d, i, k, memo) + cost(d, k, j, memo) + d[i] * d[k] * d[j])
            .min()
            .unwrap_or(0);
        memo.insert((i, j), best);
        best
    }
    cost(
        dimensions,
        0,
        dimensions.len().saturating_sub(1),
        &mut HashMap::new(),
    )
}

#[virtine]
pub fn house_robber(houses: Vec<u32>) -> u32 {
    houses
        .iter()
        .fold((0, 0), |(with, without), &h| {
            (without + h, with.max(without))
        })
        .pipe(|(a, b)| a.max(b))
}

trait Pipe: Sized {
    fn pipe<R>(self, f: impl FnOnce(Self) -> R) -> R {
        f(self)
    }
}

impl<T> Pipe for T {}

#[virtine]
pub fn edit_script(a: &str, b: &str) -> Vec<String> {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut t = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            t[i][j] = match (i, j) {
                (0, j) => j,
                (i, 0) => i,
                (i, j) if a[i - 1] == b[j - 1] => t[i - 1][j - 1],
                (i, j) => 1 + t[i - 1][j].min(t[i][j - 1]),
            };
        }
    }
    let (mut i, mut j) = (a.len(), b.len());
    let mut script = vec![];
    while (i, j) != (0, 0) {
        if i > 0 && j > 0 && a[i - 1] == b[j - 1] {
            script.push(format!(" {}", a[i - 1]));
            (i, j) = (i - 1, j - 1);
        } else if j > 0 && (i == 0 || t[i][j - 1] <= t[i - 1][j]) {
            script.push(format!("+{}", b[j - 1]));
            j -= 1;
        } else {
            script.push(format!("-{}", a[i - 1]));
            i -= 1;
        }
    }
    script.reverse();
    script
}

#[virtine]
pub fn unique_paths(grid: Vec<Vec<bool>>) -> u64 {
    let width = grid.first().map_or(0, Vec::len);
    let mut row = vec![0u64; width];
    for (y, line) in grid.iter().enumerate() {
        for x in 0..width {
            row[x] = match (line[x], x, y) {
                (true, _, _) => 0,
                (false, 0, 0) => 1,
                (false, 0, _) => row[0],
                (false, _, _) => row[x] + row[x - 1],
            };
        }
    }
    row.last().copied().unwrap_or(0)
}

#[virtine]
pub fn catalan(n: usize) -> u128 {
    let mut c = vec![1u128];
    for i in 1..=n {
        c.push((0..i).map(|j| c[j] * c[i - 1 - j]).sum());
    }
    c[n]
}

#[virtine]
pub fn partition_equal(values: &[u16]) -> bool {
    let total: u32 = values.iter().copied().map(u32::from).sum();
    if total % 2 == 1 {
        return false;
    }
    let half = (total / 2) as usize;
    let mut reachable = vec![false; half + 1];
    reachable[0] = true;
    for &v in values {
        for s in (usize::from(v)..=half).rev() {
            reachable[s] |= reachable[s - usize::from(v)];
        }
    }
    reachable[half]
}

#[virtine]
pub fn word_break(text: &str, words: Vec<&str>) -> Option<Vec<String>> {
    let mut best: Vec<Option<Vec<String>>> = vec![None; text.len() + 1];
    best[0] = Some(vec![]);
    for end in 1..=text.len() {
        for word in &words {
            if end >= word.len() && text.get(end - word.len()..end) == Some(word) {
                if let Some(prefix) = best[end - word.len()].clone() {
                    let mut sentence = prefix;
                    sentence.push(word.to_string());
                    best[end] = Some(sentence);
                }
            }
        }
    }
    best.pop().flatten()
}
