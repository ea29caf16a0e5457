//! Measures subjects in turns.
//!
//! In each round every subject runs once, in a varying order, so that background activity of the machine affects all of
//! them alike. Each subject checks its own result, outside the measured time.

use std::hint::black_box;
use std::time::Instant;

use crate::effort::Effort;
use crate::samples::Samples;
use crate::units::Unit;

/// One measured program: it runs once and records its samples.
pub(crate) type Subject<'a> = Box<dyn FnMut(&mut Samples) -> Result<(), String> + 'a>;

/// Runs this many rounds, and before them a tenth as many, which are not kept.
pub(crate) fn in_turns(
    effort: &Effort,
    rounds: usize,
    samples: &mut Samples,
    subjects: &mut [Subject<'_>],
) -> Result<(), String> {
    let warm_up = rounds.div_ceil(10).max(2);
    effort.expect(warm_up + rounds);
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..warm_up + rounds {
        samples.warm_up(round < warm_up);
        match round == warm_up {
            // The first round that is kept: tables have their rows in the order in which they were recorded.
            true => order.sort_unstable(),
            false => shuffle(&mut order, &mut random),
        }
        for &subject in &order {
            subjects[subject](samples)?;
        }
        effort.tick();
    }
    Ok(())
}

/// Runs each group of subjects in turns with its own floor. With many subjects in turns, the measurement would show how
/// cold the others leave the caches. The samples are stored under the groups' numbers.
pub(crate) fn in_groups(
    effort: &Effort,
    rounds: usize,
    samples: &mut Samples,
    (floor, call): (&str, &mut dyn FnMut()),
    groups: Vec<Vec<Subject<'_>>>,
) -> Result<(), String> {
    for (at, mut group) in groups.into_iter().enumerate() {
        let mut own = Samples::default();
        group.push(Box::new(|samples| {
            samples.time(floor, 0.0, &mut *call);
            Ok(())
        }));
        in_turns(effort, rounds, &mut own, &mut group)?;
        drop(group);
        samples.absorb(own, at as f64);
    }
    Ok(())
}

/// Marsaglia's xorshift, so that the orders are the same in every run.
fn shuffle(order: &mut [usize], random: &mut u64) {
    for at in (1..order.len()).rev() {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        order.swap(at, *random as usize % (at + 1));
    }
}

/// The time for reading the clock twice, in nanoseconds: the median of many.
pub(crate) fn clock_cost() -> f64 {
    let mut samples = Samples::default();
    for _ in 0..10_001 {
        samples.time("clock", 0.0, || ());
    }
    samples.median("clock", 0.0)
}

/// Times a call that may be shorter than the clock's resolution. Repeats it for 20 us, or runs it once, and subtracts
/// the clock's cost. The number of repetitions is known from a trial.
pub(crate) fn in_batches<T: PartialEq>(
    samples: &mut Samples,
    (subject, at): (&str, f64),
    clock: f64,
    expected: &T,
    mut call: impl FnMut() -> T,
) -> Result<(), String> {
    let mut timed = |times: u32| {
        let start = Instant::now();
        let mut right = true;
        for _ in 0..times {
            right &= black_box(call()) == *expected;
        }
        (start.elapsed().as_nanos() as f64 - clock, right)
    };
    let (trial, _) = timed(1);
    let times = (20_000.0 / trial.max(1.0)).clamp(1.0, 10_000.0) as u32;
    let (time, right) = timed(times);
    samples.add(
        subject,
        at,
        Unit::Nanoseconds,
        time.max(0.0) / f64::from(times),
    );
    match right {
        true => Ok(()),
        false => Err(format!("{subject} gave a wrong result")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_a_permutation_and_they_differ() {
        let (mut order, mut random) = (vec![0, 1, 2, 3], 1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            shuffle(&mut order, &mut random);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
            seen.insert(order.clone());
        }
        assert_eq!(seen.len(), 24);
    }

    #[test]
    fn wrong_result_is_an_error() {
        let mut samples = Samples::default();
        assert!(in_batches(&mut samples, ("a", 0.0), 0.0, &1, || 2).is_err());
        assert!(in_batches(&mut samples, ("a", 0.0), 0.0, &2, || 2).is_ok());
    }
}
