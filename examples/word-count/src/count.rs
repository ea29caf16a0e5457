//! The code that runs in the virtine.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use wasp_core::virtine;

/// The `limit` most frequent words of `text` with their counts, in descending order of count, then by word.
///
/// A word is a longest run of alphanumeric characters, lower-cased.
#[virtine(memory = "1GiB", timeout = "10min")]
pub(crate) fn most_frequent(text: &str, limit: usize) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<Cow<'_, str>, u64> = BTreeMap::new();
    for word in words(text) {
        match counts.get_mut(word.as_ref()) {
            Some(count) => *count += 1,
            None => _ = counts.insert(word, 1),
        }
    }
    let mut ranking: Vec<_> = counts.into_iter().collect();
    // Stable: words with the same count stay in order.
    ranking.sort_by_key(|&(_, count)| Reverse(count));
    ranking.truncate(limit);
    ranking
        .into_iter()
        .map(|(word, count)| (word.into_owned(), count))
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(lower_case)
}

/// Borrows if nothing changes, which is the common case.
fn lower_case(word: &str) -> Cow<'_, str> {
    match word
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    {
        true => Cow::Borrowed(word),
        false => Cow::Owned(word.to_lowercase()),
    }
}
