//! Two or three things timed in turns.
//!
//! What is compared runs one call each in an order that changes every round, so that what the machine
//! does meanwhile meets all alike. Only a pair shares a comparison, and each has a floor of its own:
//! ten subjects in turns would measure how cold nine leave the caches for the tenth.

use std::any::Any;
use std::time::Instant;

use crate::report::{Report, Row};

/// One thing that is timed.
pub(crate) struct Subject<'a> {
    name: &'static str,
    /// What is timed; it may hand something over to be dropped behind the clock's back.
    call: Box<dyn FnMut() -> Box<dyn Any> + 'a>,
    /// Nanoseconds.
    samples: Vec<u64>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(name: &'static str, call: impl FnMut() + 'a) -> Self {
        Self::making(name, call)
    }

    /// A call that makes something whose end is not timed.
    pub(crate) fn making<T: 'static>(name: &'static str, mut call: impl FnMut() -> T + 'a) -> Self {
        Self {
            name,
            call: Box::new(move || Box::new(call())),
            samples: Vec::new(),
        }
    }
}

/// How often everything runs.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) warm_up: usize,
    pub(crate) timed: usize,
}

/// Runs all subjects in turns. The last one is compared with what `floor` makes of the medians of the
/// others, and `aim` is the ratio that it is to stay within.
pub(crate) fn compare<const N: usize>(
    report: &mut Report,
    rounds: Rounds,
    mut subjects: [Subject<'_>; N],
    aim: Option<f64>,
    floor: impl FnOnce(&[f64]) -> f64,
) {
    run(rounds, &mut subjects);
    let medians = subjects
        .each_ref()
        .map(|subject| percentile(&subject.samples, 50));
    let (Some(subject), [others @ .., median]) = (subjects.last(), &medians[..]) else {
        return;
    };
    report.add(Row {
        name: subject.name,
        unit: "us",
        floor: floor(others),
        median: *median,
        p90: Some(percentile(&subject.samples, 90)),
        p99: percentile(&subject.samples, 99),
        aim,
    });
    for subject in &subjects {
        report.keep(subjects[N - 1].name, subject.name, &subject.samples);
    }
}

fn run(rounds: Rounds, subjects: &mut [Subject<'_>]) {
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..rounds.warm_up + rounds.timed {
        for at in (1..order.len()).rev() {
            // Marsaglia's xorshift: the same orders in every run.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            order.swap(at, random as usize % (at + 1));
        }
        for &subject in &order {
            let subject = &mut subjects[subject];
            let start = Instant::now();
            let made = (subject.call)();
            let elapsed = start.elapsed();
            drop(made);
            if round >= rounds.warm_up {
                subject.samples.push(elapsed.as_nanos() as u64);
            }
        }
    }
}

/// In microseconds.
pub(crate) fn percentile(nanoseconds: &[u64], percent: usize) -> f64 {
    let mut sorted = nanoseconds.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() - 1) * percent / 100] as f64 / 1000.0
}
