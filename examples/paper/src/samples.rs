//! Recorded samples, and statistics of them.

use std::time::Instant;

use crate::units::Unit;

/// All samples of one subject at one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) subject: String,
    /// The parameter at which the subject was measured, if a figure has a horizontal axis; otherwise 0.
    pub(crate) at: f64,
    pub(crate) unit: Unit,
    pub(crate) samples: Vec<f64>,
}

/// Half of the samples are no larger than `median`, a twentieth is below `low`, and a twentieth is above `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Series {
    pub(crate) fn spread(&self) -> Spread {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let [low, median, high] = [5, 50, 95].map(|percent| {
            let last = sorted.len().saturating_sub(1);
            sorted
                .get(last * percent / 100)
                .copied()
                .unwrap_or(f64::NAN)
        });
        Spread { low, median, high }
    }
}

/// Records samples, with subjects in order of first appearance.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    series: Vec<Series>,
    /// Set while nothing is kept.
    warming_up: bool,
}

impl Samples {
    pub(crate) fn warm_up(&mut self, warming_up: bool) {
        self.warming_up = warming_up;
    }

    /// Times a call.
    pub(crate) fn time<T>(&mut self, subject: &str, at: f64, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = call();
        let elapsed = start.elapsed();
        self.add(subject, at, Unit::Nanoseconds, elapsed.as_nanos() as f64);
        result
    }

    pub(crate) fn add(&mut self, subject: &str, at: f64, unit: Unit, value: f64) {
        if self.warming_up {
            return;
        }
        let same = |series: &&mut Series| series.at == at && series.subject == subject;
        match self.series.iter_mut().find(same) {
            Some(series) => series.samples.push(value),
            None => self.series.push(Series {
                subject: subject.to_owned(),
                at,
                unit,
                samples: vec![value],
            }),
        }
    }

    /// Adds the samples of a separate comparison, under a parameter that no other uses.
    pub(crate) fn absorb(&mut self, own: Self, at: f64) {
        let moved = own.series.into_iter().map(|series| Series { at, ..series });
        self.series.extend(moved);
    }

    /// The parameter at which the subject was measured first.
    pub(crate) fn place(&self, subject: &str) -> f64 {
        let found = self.series.iter().find(|series| series.subject == subject);
        found.map_or(f64::NAN, |series| series.at)
    }

    /// The ratio of this subject's median to the other's: to the one measured in the same comparison, or else to any
    /// other.
    pub(crate) fn ratio_across(&self, subject: &str, to: &str) -> f64 {
        let at = self.place(subject);
        match self.spread(to, at) {
            Some(_) => self.ratio(subject, to, at),
            None => self.median(subject, at) / self.median(to, self.place(to)),
        }
    }

    pub(crate) fn all(&self) -> &[Series] {
        &self.series
    }

    pub(crate) fn spread(&self, subject: &str, at: f64) -> Option<Spread> {
        let same = |series: &&Series| series.at == at && series.subject == subject;
        self.series.iter().find(same).map(Series::spread)
    }

    /// The subject's median. NaN if it was not measured.
    pub(crate) fn median(&self, subject: &str, at: f64) -> f64 {
        self.spread(subject, at)
            .map_or(f64::NAN, |spread| spread.median)
    }

    /// The ratio of the first subject's median to the second's.
    pub(crate) fn ratio(&self, subject: &str, to: &str, at: f64) -> f64 {
        self.median(subject, at) / self.median(to, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_of_the_samples_and_not_of_their_order() {
        let mut samples = Samples::default();
        for value in (0..=100).rev() {
            samples.add("a", 1.0, Unit::Cycles, f64::from(value));
        }
        samples.add("a", 2.0, Unit::Cycles, 7.0);
        let expected = Spread {
            low: 5.0,
            median: 50.0,
            high: 95.0,
        };
        assert_eq!(samples.spread("a", 1.0), Some(expected));
        assert_eq!(samples.median("a", 2.0), 7.0);
        assert!(samples.median("b", 1.0).is_nan());
    }

    #[test]
    fn ratio_is_to_what_was_measured_beside_the_subject() {
        let (mut samples, floors) = (Samples::default(), [10.0, 20.0]);
        for (at, (subject, floor)) in ["a", "b"].into_iter().zip(floors).enumerate() {
            let mut own = Samples::default();
            own.add(subject, 0.0, Unit::Cycles, 40.0);
            own.add("floor", 0.0, Unit::Cycles, floor);
            samples.absorb(own, at as f64);
        }
        let ratios = ["a", "b"].map(|subject| samples.ratio_across(subject, "floor"));
        assert_eq!(ratios, [4.0, 2.0]);
        assert_eq!(samples.ratio_across("b", "a"), 1.0);
    }

    #[test]
    fn nothing_is_kept_while_warming_up() {
        let mut samples = Samples::default();
        samples.warm_up(true);
        samples.time("a", 0.0, || ());
        assert!(samples.all().is_empty());
    }
}
