//! The paper's evaluation, measured again on this machine.
//!
//!     cargo run --release -p paper -- [--quick] [--only fig8,fig11] [--out DIR]
//!
//! Raw samples go to DIR/data, plots to DIR/plots, and DIR/report.md and DIR/report.html contain everything. They are
//! rewritten after each figure, so that an interrupted run keeps its results.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use effort::Effort;
use figure::Figure;
use host::Host;
use report::Report;

mod bare;
mod effort;
mod figure;
mod figures;
mod guests;
mod host;
mod measure;
mod plot;
mod process;
mod published;
mod report;
mod samples;
mod units;

/// Re-runs the evaluation of "Isolating Functions at the Hardware Limit with Virtines" (EuroSys '22).
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Measures less: seconds instead of minutes.
    #[arg(long)]
    quick: bool,
    /// Only these, separated by commas: fig2, fig3, fig4, table1, fig8, fig11, fig12, fig13_lat, fig13_tput, fig14,
    /// aes, peers.
    #[arg(long, value_delimiter = ',', value_parser = figures::parse)]
    only: Vec<figures::Name>,
    /// The folder for samples, plots and report.
    #[arg(long, default_value = "target/paper")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("paper: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every figure was measured.
fn run(options: &Options) -> Result<bool, String> {
    let host = Host::inspect()?;
    let effort = Effort::new(options.quick, &host);
    let wanted = figures::select(&options.only);
    let mut report = Report::new(&options.out, host, options.quick)?;
    for (at, name) in wanted.iter().enumerate() {
        let bar = effort.progress(&format!("[{}/{}] {name}", at + 1, wanted.len()));
        let measured: Result<Figure, String> = figures::measure(*name, &effort);
        bar.finish();
        if let Err(message) = &measured {
            eprintln!("paper: {name}: {message}");
        }
        report.add(*name, measured)?;
    }
    eprintln!("paper: {}", options.out.join("report.html").display());
    Ok(report.is_complete())
}
