//! The parts of a figure.

use crate::samples::{Samples, Series};
use crate::units::{Unit, number};

/// One figure or table of the paper, measured here.
pub(crate) struct Figure {
    pub(crate) title: &'static str,
    /// What was done, in two sentences.
    pub(crate) method: String,
    pub(crate) samples: Samples,
    pub(crate) plots: Vec<Plot>,
    pub(crate) tables: Vec<Table>,
}

/// A picture of some of the samples.
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) kind: Kind,
    /// What the values mean. The unit is added.
    pub(crate) axis: &'static str,
    pub(crate) series: Vec<Series>,
}

/// How it is drawn.
pub(crate) enum Kind {
    /// A bar for each series.
    Bars,
    /// A line for each subject, over a horizontal axis of this name.
    Lines {
        over: &'static str,
        logarithmic: bool,
    },
}

/// Rows and columns of text.
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(caption: impl Into<String>, header: &[&str]) -> Self {
        Self {
            caption: caption.into(),
            header: header.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Every series of these samples, and how many times the floor's median each one's is.
    pub(crate) fn of_samples(caption: &str, samples: &Samples, floor: &str) -> Self {
        let header = [
            "",
            "median",
            "5th to 95th percentile",
            "unit",
            "samples",
            "floor beside it",
            "ratio",
        ];
        let mut table = Self::new(format!("{caption}. Floor: {floor}."), &header);
        let first = samples.place(floor);
        let rows = samples.all().iter();
        for series in rows.filter(|series| series.subject != floor || series.at == first) {
            let (spread, unit) = (series.spread(), series.unit);
            let [low, median, high] =
                [spread.low, spread.median, spread.high].map(|value| number(unit.scale(value)));
            let beside = samples.median(floor, series.at);
            let compared = |value: f64| match unit {
                Unit::Cycles => String::new(),
                _ => number(value),
            };
            table.row([
                series.subject.clone(),
                median,
                format!("{low} to {high}"),
                unit.shown().to_owned(),
                series.samples.len().to_string(),
                compared(unit.scale(beside)),
                compared(spread.median / beside),
            ]);
        }
        table
    }
}
