//! How much is measured.

use std::cell::RefCell;
use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressStyle};

use crate::host::{Host, Ring0};

/// How much is measured, and the progress so far.
pub(crate) struct Effort {
    quick: bool,
    ring0: Ring0,
    bar: RefCell<ProgressBar>,
}

impl Effort {
    pub(crate) fn new(quick: bool, host: &Host) -> Self {
        Self {
            quick,
            ring0: host.ring0,
            bar: RefCell::new(ProgressBar::hidden()),
        }
    }

    /// The number of rounds of a quick or a full run.
    pub(crate) const fn rounds(&self, quick: usize, full: usize) -> usize {
        match self.quick {
            true => quick,
            false => full,
        }
    }

    /// What executes a guest's ring 0 here.
    pub(crate) const fn ring0(&self) -> Ring0 {
        self.ring0
    }

    /// Begins a figure.
    pub(crate) fn progress(&self, name: &str) -> ProgressBar {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(name.to_owned());
        if !stderr().is_terminal() {
            eprintln!("{name}");
        }
        self.bar.replace(bar.clone());
        bar
    }

    /// Expects this many more rounds.
    pub(crate) fn expect(&self, rounds: usize) {
        self.bar.borrow().inc_length(rounds as u64);
    }

    /// Completes one round.
    pub(crate) fn tick(&self) {
        self.bar.borrow().inc(1);
    }
}
