//! What is printed and kept of a benchmark.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::machine::Machine;

/// One result.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// What it is compared with, measured beside it.
    pub(crate) floor: f64,
    pub(crate) median: f64,
    /// Only of what is timed in turns.
    pub(crate) p90: Option<f64>,
    pub(crate) p99: f64,
    /// The most that the ratio to the floor is to be, where something has been said.
    pub(crate) aim: Option<f64>,
}

/// Prints results as they come, and collects them and their samples.
pub(crate) struct Report {
    samples: String,
    results: String,
    machine: Machine,
}

impl Report {
    #[expect(clippy::print_stdout, reason = "this is what a benchmark is for")]
    pub(crate) fn new() -> Self {
        println!(
            "{:34} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7}",
            "", "floor", "median", "p90", "p99", "ratio", "aim"
        );
        Self {
            samples: String::from("comparison,subject,round,nanoseconds\n"),
            results: format!(
                "{},name,unit,floor,median,p90,p99,ratio\n",
                Machine::COLUMNS
            ),
            machine: Machine::inspect(),
        }
    }

    #[expect(clippy::print_stdout, reason = "this is what a benchmark is for")]
    pub(crate) fn add(&mut self, row: Row) {
        let Row {
            name,
            unit,
            floor,
            median,
            p90,
            p99,
            aim,
        } = row;
        let p90 = p90.map_or(String::new(), |p90| format!("{p90:.2}"));
        let ratio = median / floor;
        let machine = self.machine.cells();
        let plain = name.replace(',', "");
        writeln!(
            self.results,
            "{machine},{plain},{unit},{floor:.2},{median:.2},{p90},{p99:.2},{ratio:.3}"
        )
        .expect("a String takes all");
        let verdict = match aim {
            None => String::new(),
            Some(aim) if ratio <= aim => format!("{aim:>7.2} met"),
            Some(aim) => format!("{aim:>7.2} missed"),
        };
        println!(
            "{name:34} {floor:>9.2} {median:>9.2} {p90:>9} {p99:>9.2} {ratio:>7.3} {verdict} ({unit})"
        );
    }

    pub(crate) fn keep(&mut self, comparison: &str, subject: &str, samples: &[u64]) {
        for (round, sample) in samples.iter().enumerate() {
            let [comparison, subject] = [comparison, subject].map(|name| name.replace(',', ""));
            writeln!(self.samples, "{comparison},{subject},{round},{sample}")
                .expect("a String takes all");
        }
    }

    /// Writes the results, with the machine and the date in each row, and the raw samples.
    pub(crate) fn store(self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/benches");
        fs::create_dir_all(&folder).expect("target can be written to");
        let write = |name: &str, contents: String| {
            fs::write(folder.join(name), contents).expect("target can be written to");
        };
        write("results.csv", self.results);
        write("calls.csv", self.samples);
    }
}
