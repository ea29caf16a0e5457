//! Beyond the paper: the cost of a call by the number of pages that it writes, and by the bytes that it takes and
//! returns.

use std::hint::black_box;

use wasp_core::virtine;

use crate::bare::Bare;
use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::measure::{Subject, in_turns};
use crate::samples::Samples;
use crate::units::number;

const FLOOR: &str = "bare KVM_RUN";
const COPY: &str = "memcpy of as many bytes";
const TOUCH: &str = "virtine that writes to each page";
const TAKE: &str = "virtine that takes them: &[f64]";
const CHANGE: &str = "virtine that changes them: &mut [f32]";
const GIVE: &str = "virtine that gives them: Vec<f64>";

const PAGE: usize = 4096;
const PAGES: [usize; 9] = [1, 16, 64, 256, 1024, 2048, 4096, 8192, 32768];
const BYTES: [usize; 7] = [
    1 << 10,
    16 << 10,
    128 << 10,
    1 << 20,
    8 << 20,
    64 << 20,
    100 << 20,
];

/// Writes to this many pages, one byte each.
#[virtine(memory = "256MiB")]
fn touch(pages: usize) -> usize {
    let mut memory = Vec::<u8>::with_capacity(pages * PAGE);
    for page in memory.spare_capacity_mut().chunks_mut(PAGE) {
        black_box(page[0].write(1));
    }
    black_box(&memory).capacity() / PAGE
}

#[virtine(memory = "256MiB")]
fn take(values: &[f64]) -> f64 {
    values.last().copied().unwrap_or_default() + values.len() as f64
}

#[virtine(memory = "256MiB")]
fn change(values: &mut [f32]) {
    for value in values {
        *value += 1.0;
    }
}

#[virtine(memory = "256MiB")]
fn give(count: usize) -> Vec<f64> {
    vec![1.5; count]
}

/// Fewer rounds for calls that take longer.
fn rounds(effort: &Effort, bytes: usize) -> usize {
    let most = effort.rounds(40, 1000);
    (most * 64 * 1024 / bytes.max(64 * 1024)).clamp(5, most)
}

/// Cost by pages.
pub(super) fn pages(effort: &Effort) -> Result<Figure, String> {
    let (mut samples, bare) = (Samples::default(), Bare::open()?);
    for pages in PAGES {
        let (at, mut machine) = (pages as f64, bare.machine());
        let mut subjects: Vec<Subject<'_>> = vec![
            Box::new(move |samples| {
                samples.time(FLOOR, at, || machine.call());
                Ok(())
            }),
            copy(pages * PAGE, at),
            Box::new(move |samples| {
                let touched = samples.time(TOUCH, at, || touch::try_call(pages));
                expect(&touched.map_err(|error| error.to_string())?, &pages)
            }),
        ];
        let rounds = rounds(effort, pages * PAGE);
        in_turns(effort, rounds, &mut samples, &mut subjects)?;
    }
    Ok(Figure {
        title: "Calls by the pages that they write",
        method: "Each call writes one byte to each of so many pages of its heap; its machine has written to them before, and has \
                 them put back after each call, which is timed with it. A copy of as many bytes is timed in turns with it."
            .to_owned(),
        plots: vec![lines("A call by pages", "pages", &samples)],
        tables: vec![table("pages", &PAGES, &[TOUCH], &samples)],
        samples,
    })
}

/// Cost by bytes.
pub(super) fn bytes(effort: &Effort) -> Result<Figure, String> {
    let (mut samples, bare) = (Samples::default(), Bare::open()?);
    for size in BYTES {
        let (at, mut machine) = (size as f64, bare.machine());
        let values = vec![0.5_f64; size / 8];
        let mut changed = vec![0_f32; size / 4];
        let mut calls = 0_f32;
        let mut subjects: Vec<Subject<'_>> = vec![
            Box::new(move |samples| {
                samples.time(FLOOR, at, || machine.call());
                Ok(())
            }),
            copy(size, at),
            Box::new(move |samples| {
                let taken = samples.time(TAKE, at, || take::try_call(&values));
                let expected = 0.5 + (size / 8) as f64;
                expect(&taken.map_err(|error| error.to_string())?, &expected)
            }),
            Box::new(move |samples| {
                let called = samples.time(CHANGE, at, || change::try_call(&mut changed));
                called.map_err(|error| error.to_string())?;
                calls += 1.0;
                expect(&changed.iter().all(|value| *value == calls), &true)
            }),
            Box::new(move |samples| {
                let given = samples.time(GIVE, at, || give::try_call(size / 8));
                let given = given.map_err(|error| error.to_string())?;
                expect(&given.len(), &(size / 8))?;
                expect(&given.iter().all(|value| *value == 1.5), &true)
            }),
        ];
        let rounds = rounds(effort, size);
        in_turns(effort, rounds, &mut samples, &mut subjects)?;
    }
    Ok(Figure {
        title: "Calls by the bytes that they take and give",
        method: "Each call takes, changes or gives so many bytes of floats, which move as they lie in memory; with its cleaning. \
                 What it gives is allocated anew on the host, and is dropped outside the time."
            .to_owned(),
        plots: vec![lines("A call by bytes", "bytes", &samples)],
        tables: vec![table("bytes", &BYTES, &[TAKE, CHANGE, GIVE], &samples)],
        samples,
    })
}

fn copy<'a>(bytes: usize, at: f64) -> Subject<'a> {
    let (source, mut target) = (vec![1_u8; bytes], vec![0_u8; bytes]);
    Box::new(move |samples| {
        samples.time(COPY, at, || {
            black_box(&mut target).copy_from_slice(black_box(&source));
        });
        Ok(())
    })
}

fn expect<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("expected {expected:?}, found {found:?}")),
    }
}

fn lines(title: &str, over: &'static str, samples: &Samples) -> Plot {
    Plot {
        title: format!("{title}: time of one call"),
        kind: Kind::Lines {
            over,
            logarithmic: true,
        },
        axis: "time",
        series: samples.all().to_vec(),
    }
}

/// Medians, and the number of copies that each call takes beyond the floor.
fn table(over: &str, sizes: &[usize], calls: &[&str], samples: &Samples) -> Table {
    let subjects: Vec<&str> = [FLOOR, COPY].iter().chain(calls).copied().collect();
    let copies: Vec<String> = calls
        .iter()
        .map(|call| format!("({call} - floor) / memcpy"))
        .collect();
    let header: Vec<&str> = [over]
        .into_iter()
        .chain(subjects.iter().copied())
        .chain(copies.iter().map(String::as_str))
        .collect();
    let mut table = Table::new("Medians in us (5th to 95th percentile).", &header);
    for &size in sizes {
        let at = size as f64;
        let cells = subjects.iter().map(|subject| {
            samples
                .spread(subject, at)
                .map_or_else(String::new, |spread| {
                    let [low, median, high] = [spread.low, spread.median, spread.high]
                        .map(|value| number(value / 1000.0));
                    format!("{median} ({low} to {high})")
                })
        });
        let beyond = calls.iter().map(|call| {
            let floor = samples.median(FLOOR, at);
            number((samples.median(call, at) - floor) / samples.median(COPY, at))
        });
        table.row([size.to_string()].into_iter().chain(cells).chain(beyond));
    }
    table
}
