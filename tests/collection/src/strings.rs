//! Text.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use wasp_core::virtine;

#[virtine]
pub fn reverse(text: &str) -> String {
    text.chars().rev().collect()
}

#[virtine]
pub fn is_palindrome(text: &str) -> bool {
    let letters: Vec<char> = text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    letters.iter().eq(letters.iter().rev())
}

#[virtine]
pub fn word_frequencies(text: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
    {
        *counts.entry(word.to_lowercase()).or_insert(0) += 1;
    }
    counts
}

#[virtine]
pub fn most_common_word(text: String) -> Option<(String, usize)> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    text.split_whitespace()
        .for_each(|w| *counts.entry(w).or_default() += 1);
    counts
        .into_iter()
        .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))
        .map(|(w, n)| (w.to_owned(), n))
}

#[virtine]
pub fn title_case(text: &str) -> String {
    text.split(' ')
        .map(|word| {
            let mut chars = word.chars();
            match chars.next() {
                Some(first) => first.to_uppercase().collect::<String>() + chars.as_str(),
                None => String::new(),
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[virtine]
pub fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for (i, c) in name.char_indices() {
        if c.is_uppercase() {
            if i > 0 {
                out.push('_');
            }
            out.extend(c.to_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}

#[virtine]
pub fn camel_case(name: String) -> String {
    let mut upper = false;
    name.chars()
        .filter_map(|c| {
            if c == '_' || c == '-' {
                upper = true;
                return None;
            }
            Some(if std::mem::replace(&mut upper, false) {
                c.to_ascii_uppercase()
            } else {
                c
            })
        })
        .collect()
}

#[virtine]
pub fn run_length_encode(text: &str) -> String {
    let mut out = String::new();
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let run = bytes[i..].iter().take_while(|&&b| b == bytes[i]).count();
        write!(out, "{}{}", run, bytes[i] as char).unwrap();
        i += run;
    }
    out
}

#[virtine]
pub fn run_length_decode(code: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut digits = String::new();
    for c in code.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
        } else {
            let count: usize = digits
                .parse()
                .map_err(|e: std::num::ParseIntError| e.to_string())?;
            out.push_str(&c.to_string().repeat(count));
            digits.clear();
        }
    }
    Ok(out)
}

#[virtine]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![];
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line += " ";
        }
        line += word;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[virtine]
pub fn escape_html(text: &str) -> String {
    fn escaped(text: &str) -> Cow<'_, str> {
        if !text.contains(['<', '>', '&', '"']) {
            return Cow::Borrowed(text);
        }
        let mut out = String::new();
        for c in text.chars() {
            match c {
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '&' => out.push_str("&amp;"),
                '"' => out.push_str("&quot;"),
                c => out.push(c),
            }
        }
        Cow::Owned(out)
    }
    escaped(text).into_owned()
}

#[virtine]
pub fn anagram_groups(words: Vec<String>) -> Vec<Vec<String>> {
    let mut groups: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for word in words {
        let mut key = word.clone().into_bytes();
        key.sort_unstable();
        groups.entry(key).or_default().push(word);
    }
    groups
        .into_values()
        .filter(|group| group.len() > 1)
        .collect()
}

#[virtine]
pub fn unique_characters(text: &str) -> bool {
    let mut seen = HashSet::new();
    text.chars().all(|c| seen.insert(c))
}

#[virtine]
pub fn common_prefix(words: &[&str]) -> String {
    let Some((first, rest)) = words.split_first() else {
        return String::new();
    };
    let length = rest.iter().fold(first.len(), |n, word| {
        first
            .bytes()
            .zip(word.bytes())
            .take(n)
            .take_while(|(a, b)| a == b)
            .count()
    });
    first[..length].to_string()
}

#[virtine]
pub fn roman(mut n: u32) -> String {
    const NUMERALS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut out = String::new();
    for (value, numeral) in NUMERALS {
        while n >= value {
            out += numeral;
            n -= value;
        }
    }
    out
}

#[virtine]
pub fn from_roman(text: &str) -> Option<u32> {
    let mut total = 0;
    let mut last = 0;
    for c in text.chars().rev() {
        let value = match c {
            'I' => 1,
            'V' => 5,
            'X' => 10,
            'L' => 50,
            'C' => 100,
            'D' => 500,
            'M' => 1000,
            _ => return None,
        };
        if value < last {
            total -= value
        } else {
            total += value;
            last = value;
        }
    }
    Some(total)
}

#[virtine]
pub fn pad_table(rows: Vec<(String, i32)>) -> String {
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for (name, value) in rows {
        let _ = writeln!(
            out,
            "{name:<width$} | {value:>6} | {value:+05} | {value:#x}"
        );
    }
    out
}

#[virtine]
pub fn char_classes(text: &str) -> [usize; 5] {
    let mut classes = [0; 5];
    for c in text.chars() {
        let class = if c.is_alphabetic() {
            0
        } else if c.is_numeric() {
            1
        } else if c.is_whitespace() {
            2
        } else if c.is_ascii_punctuation() {
            3
        } else {
            4
        };
        classes[class] += 1;
    }
    classes
}

#[virtine]
pub fn longest_palindrome(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut best = 0..0;
    for centre in 0..chars.len() {
        for odd in [true, false] {
            let (mut left, mut right) = (centre as isize, centre + usize::from(!odd));
            while left >= 0 && right < chars.len() && chars[left as usize] == chars[right] {
                left -= 1;
                right += 1;
            }
            let found = (left + 1) as usize..right;
            if found.len() > best.len() {
                best = found;
            }
        }
    }
    chars[best].iter().collect()
}

#[virtine]
pub fn template(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        out += &rest[..start];
        let after = &rest[start + 2..];
        let end = after
            .find("}}")
            .ok_or_else(|| format!("unclosed at {}", text.len() - rest.len() + start))?;
        let key = after[..end].trim();
        out += values.get(key).ok_or(format!("no value for {key:?}"))?;
        rest = &after[end + 2..];
    }
    Ok(out + rest)
}

#[virtine]
pub fn vowels_removed(text: &str) -> String {
    let mut text = text.to_string();
    text.retain(|c| !"aeiouAEIOU".contains(c));
    text
}

#[virtine]
pub fn split_columns(line: &str) -> Vec<String> {
    line.split(',').map(str::trim).map(String::from).collect()
}

#[virtine]
pub fn utf16_round_trip(text: &str) -> Option<Vec<u16>> {
    let units: Vec<u16> = text.encode_utf16().collect();
    (String::from_utf16(&units).ok()? == text).then_some(units)
}

#[virtine]
pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[virtine]
pub fn pig_latin(sentence: &str) -> String {
    sentence
        .split(' ')
        .map(|word| match word.find(|c: char| "aeiou".contains(c)) {
            Some(0) => format!("{word}way"),
            Some(at) => format!("{}{}ay", &word[at..], &word[..at]),
            None => word.to_owned(),
        })
        .collect::<Vec<String>>()
        .join(" ")
}
