//! Enums, patterns, states, dates, money and other everyday types.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::{ControlFlow, Range, RangeInclusive};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    Circle { radius: f64 },
    Rectangle { width: f64, height: f64 },
    Triangle(f64, f64, f64),
    Point,
}

#[virtine]
pub fn area(shape: Shape) -> Option<f64> {
    Some(match shape {
        Shape::Circle { radius } if radius < 0.0 => return None,
        Shape::Circle { radius: r } => (std::f64::consts::PI * r * r * 1e6).round() / 1e6,
        Shape::Rectangle { width, height } => width * height,
        Shape::Triangle(a, b, c) => {
            let s = (a + b + c) / 2.0;
            (s * (s - a) * (s - b) * (s - c)).sqrt()
        }
        Shape::Point => 0.0,
    })
}

#[virtine]
pub fn fizz_buzz(n: u32) -> Vec<String> {
    (1..=n)
        .map(|i| match (i % 3, i % 5) {
            (0, 0) => "FizzBuzz".to_string(),
            (0, _) => "Fizz".to_string(),
            (_, 0) => "Buzz".to_string(),
            _ => i.to_string(),
        })
        .collect()
}

#[virtine]
pub fn grade(score: u8) -> &'static str {
    match score {
        90..=100 => "A",
        80..90 => "B",
        70..80 => "C",
        101.. => "impossible",
        _ => "F",
    }
}

#[virtine]
pub fn weekday(year: i32, month: u32, day: u32) -> Option<&'static str> {
    const NAMES: [&str; 7] = [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ];
    const OFFSETS: [i32; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    if !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) {
        return None;
    }
    let y = if month < 3 { year - 1 } else { year };
    let sum = y + y / 4 - y / 100 + y / 400 + OFFSETS[month as usize - 1] + day as i32;
    NAMES.get(sum.rem_euclid(7) as usize).copied()
}

const fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Date {
    pub year: i32,
    pub month: u32,
    pub day: u32,
}

impl Date {
    fn ordinal(self) -> i64 {
        let years = (1..self.year)
            .map(|y| if is_leap(y) { 366 } else { 365 })
            .sum::<i64>();
        years
            + (1..self.month)
                .map(|m| i64::from(days_in(self.year, m)))
                .sum::<i64>()
            + i64::from(self.day)
    }

    fn next(self) -> Date {
        if self.day < days_in(self.year, self.month) {
            Date {
                day: self.day + 1,
                ..self
            }
        } else if self.month < 12 {
            Date {
                month: self.month + 1,
                day: 1,
                ..self
            }
        } else {
            Date {
                year: self.year + 1,
                month: 1,
                day: 1,
            }
        }
    }
}

#[virtine]
pub fn days_between(from: Date, to: &Date) -> i64 {
    to.ordinal() - from.ordinal()
}

#[virtine]
pub fn next_days(date: Date, count: usize) -> Vec<Date> {
    std::iter::successors(Some(date), |d| Some(d.next()))
        .skip(1)
        .take(count)
        .collect()
}

#[virtine]
pub fn durations(seconds: u64, more: Duration) -> (Duration, String, u128) {
    let total = Duration::from_secs(seconds) + more * 2;
    let (h, m, s) = (
        total.as_secs() / 3600,
        total.as_secs() / 60 % 60,
        total.as_secs() % 60,
    );
    (
        total,
        format!("{h:02}:{m:02}:{s:02}.{:03}", total.subsec_millis()),
        total.as_nanos(),
    )
}

#[virtine]
pub fn std_types(
    range: Range<u32>,
    inclusive: RangeInclusive<i8>,
    address: IpAddr,
    number: NonZeroU32,
) -> (u32, i8, String, u32) {
    let kind = match address {
        IpAddr::V4(v4) => format!("{} {}", v4, v4.is_private()),
        IpAddr::V6(v6) => format!("{} {:?}", v6, v6.segments()[0]),
    };
    (
        range.sum(),
        inclusive.max().unwrap_or(0),
        kind,
        number.get().leading_zeros(),
    )
}

#[virtine]
pub fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse::<IpAddr>().map_err(|e| e.to_string())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Idle,
    Running { since: u32 },
    Done(u32),
}

#[virtine]
pub fn state_machine(events: Vec<char>) -> Result<State, String> {
    let step = |state, (at, event): (usize, char)| {
        let at = at as u32;
        match (state, event) {
            (State::Idle, 's') => ControlFlow::Continue(State::Running { since: at }),
            (State::Running { since }, 'f') => ControlFlow::Continue(State::Done(at - since)),
            (State::Done(_), 'r') => ControlFlow::Continue(State::Idle),
            (state, other) => ControlFlow::Break(format!("{other} in {state:?}")),
        }
    };
    match events.into_iter().enumerate().try_fold(State::Idle, step) {
        ControlFlow::Continue(state) => Ok(state),
        ControlFlow::Break(error) => Err(error),
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    pub owner: String,
    pub balance: i64,
    #[serde(default)]
    pub history: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    Deposit(i64),
    Withdrawal { amount: i64, fee: i64 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum BankError {
    Insufficient { missing: i64 },
    NotPositive,
}

impl Account {
    fn apply(&mut self, entry: Entry) -> Result<(), BankError> {
        let change = match &entry {
            Entry::Deposit(amount) if *amount <= 0 => return Err(BankError::NotPositive),
            Entry::Deposit(amount) => *amount,
            Entry::Withdrawal { amount, fee } => -(amount + fee),
        };
        let balance = self.balance + change;
        if balance < 0 {
            return Err(BankError::Insufficient { missing: -balance });
        }
        self.balance = balance;
        self.history.push(entry);
        Ok(())
    }
}

#[virtine]
pub fn transact(account: &mut Account, entries: Vec<Entry>) -> Result<i64, BankError> {
    for entry in entries {
        account.apply(entry)?;
    }
    Ok(account.balance)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair<A, B = A> {
    pub first: A,
    pub second: B,
}

impl<A: Clone, B: Clone> Pair<A, B> {
    fn swapped(&self) -> Pair<B, A> {
        Pair {
            first: self.second.clone(),
            second: self.first.clone(),
        }
    }
}

#[virtine]
pub fn generic_types(
    pair: Pair<String, Vec<u8>>,
    other: Pair<i32>,
) -> (Pair<Vec<u8>, String>, i32) {
    (pair.swapped(), other.first * other.second)
}

struct Fixed<const N: usize>([i64; N]);

impl<const N: usize> Fixed<N> {
    const LENGTH: usize = N;

    fn dot(&self, other: &Self) -> i64 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }
}

#[virtine]
pub fn const_generics(a: [i64; 5], b: [i64; 5]) -> (i64, usize) {
    (Fixed(a).dot(&Fixed(b)), Fixed::<5>::LENGTH)
}

#[virtine]
pub fn optional_text(name: Option<&str>, fallback: &Option<String>) -> String {
    name.map(str::to_owned)
        .or_else(|| fallback.clone())
        .unwrap_or_else(|| "nobody".into())
}

#[virtine]
pub fn let_else_and_labels(grid: Vec<Vec<i32>>, wanted: i32) -> Option<(usize, usize)> {
    let Some(first) = grid.first() else {
        return None;
    };
    let width = first.len();
    let mut found = None;
    'rows: for (y, row) in grid.iter().enumerate() {
        let mut x = 0;
        while x < width {
            if row[x] == wanted {
                found = Some((x, y));
                break 'rows;
            }
            x += 1;
        }
    }
    let answer = loop {
        if let Some(place) = found {
            break Some(place);
        }
        break None;
    };
    answer
}

#[virtine]
pub fn tower_of_hanoi(n: u32) -> (usize, Vec<(char, char)>) {
    fn solve(n: u32, from: char, to: char, via: char, moves: &mut Vec<(char, char)>) {
        if n > 0 {
            solve(n - 1, from, via, to, moves);
            moves.push((from, to));
            solve(n - 1, via, to, from, moves);
        }
    }
    let mut moves = vec![];
    solve(n, 'A', 'C', 'B', &mut moves);
    (moves.len(), moves.into_iter().take(5).collect())
}

#[virtine]
pub fn permutations(items: Vec<char>) -> Vec<String> {
    fn permute(items: &mut Vec<char>, k: usize, out: &mut Vec<String>) {
        if k == items.len() {
            out.push(items.iter().collect());
            return;
        }
        for i in k..items.len() {
            items.swap(k, i);
            permute(items, k + 1, out);
            items.swap(k, i);
        }
    }
    let mut items = items;
    let mut out = vec![];
    permute(&mut items, 0, &mut out);
    out.sort();
    out
}

#[virtine]
pub fn queens(n: usize) -> usize {
    fn place(row: usize, n: usize, columns: u32, left: u32, right: u32) -> usize {
        if row == n {
            return 1;
        }
        (0..n)
            .filter(|&c| {
                columns >> c & 1 == 0
                    && left >> (row + c) & 1 == 0
                    && right >> (row + n - c) & 1 == 0
            })
            .map(|c| {
                place(
                    row + 1,
                    n,
                    columns | 1 << c,
                    left | 1 << (row + c),
                    right | 1 << (row + n - c),
                )
            })
            .sum()
    }
    place(0, n, 0, 0, 0)
}

#[virtine]
pub fn ackermann(m: u64, n: u64) -> u64 {
    match (m, n) {
        (0, n) => n + 1,
        (m, 0) => ackermann(m - 1, 1),
        (m, n) => ackermann(m - 1, ackermann(m, n - 1)),
    }
}

#[virtine]
pub fn subsets(values: &[u8]) -> Vec<Vec<u8>> {
    (0..1u32 << values.len())
        .map(|mask| {
            values
                .iter()
                .enumerate()
                .filter(|(i, _)| mask >> i & 1 == 1)
                .map(|(_, &v)| v)
                .collect()
        })
        .collect()
}

#[virtine]
pub fn gray_code(bits: u32) -> Vec<String> {
    (0..1u32 << bits)
        .map(|n| format!("{:0width$b}", n ^ n >> 1, width = bits as usize))
        .collect()
}

#[virtine]
pub fn merge_intervals(mut intervals: Vec<(i32, i32)>) -> Vec<(i32, i32)> {
    intervals.sort_unstable();
    let mut merged: Vec<(i32, i32)> = Vec::new();
    for (start, end) in intervals {
        match merged.last_mut() {
            Some((_, last)) if start <= *last => *last = (*last).max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

#[virtine]
pub fn convex_hull(mut points: Vec<(i32, i32)>) -> Vec<(i32, i32)> {
    points.sort();
    points.dedup();
    let cross = |o: (i32, i32), a: (i32, i32), b: (i32, i32)| {
        (a.0 - o.0) * (b.1 - o.1) - (a.1 - o.1) * (b.0 - o.0)
    };
    let half = |points: &mut dyn Iterator<Item = (i32, i32)>| {
        let mut hull: Vec<(i32, i32)> = vec![];
        for p in points {
            while hull.len() >= 2 && cross(hull[hull.len() - 2], hull[hull.len() - 1], p) <= 0 {
                hull.pop();
            }
            hull.push(p);
        }
        hull.pop();
        hull
    };
    let mut hull = half(&mut points.iter().copied());
    hull.extend(half(&mut points.iter().rev().copied()));
    hull
}

#[virtine]
pub fn invoice(items: &BTreeMap<String, (u32, f64)>, tax_percent: f64) -> String {
    let mut total = 0.0;
    let mut lines = String::new();
    for (name, (count, price)) in items {
        let sum = f64::from(*count) * price;
        total += sum;
        lines += &format!("{name:.<12}{count:>3} x {price:>7.2} = {sum:>9.2}\n");
    }
    lines + &format!("{:=>35.2}", total * (1.0 + tax_percent / 100.0))
}

#[virtine]
pub fn many_parameters(
    a: u8,
    b: i8,
    c: u16,
    d: i16,
    e: u32,
    f: i32,
    g: u64,
    h: i64,
    i: u128,
    j: i128,
    k: f32,
    l: f64,
    m: bool,
    n: char,
    o: &str,
    p: String,
    q: &[u8],
    r: Vec<u16>,
    s: Option<u8>,
    t: (u8, u8),
    u: [u8; 3],
    v: Box<u8>,
    w: (),
    x: usize,
    y: isize,
    z: Result<u8, String>,
) -> String {
    format!(
        "{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}{m}{n}{o}{p}{q:?}{r:?}{s:?}{t:?}{u:?}{v}{w:?}{x}{y}{z:?}"
    )
}

#[virtine]
pub fn nothing() {}

#[virtine]
pub fn diverges_on_zero(n: u32) -> u32 {
    fn fail() -> ! {
        panic!("zero")
    }
    if n == 0 { fail() } else { 100 / n }
}
