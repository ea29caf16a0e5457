//! Runs one user script and prints its result and its log.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;

/// Runs a script in postfix notation over the fields price, quantity and discount: `price quantity *`.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The script: numbers, fields, + - * / dup log loop.
    script: String,
}

fn main() -> ExitCode {
    match run(&Options::parse().script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("plugin: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(script: &str) -> Result<(), String> {
    let result = plugin::run::try_call(script);
    let mut output = io::stdout().lock();
    for line in plugin::host::take_log() {
        writeln!(output, "{line}").map_err(|error| format!("cannot print: {error}"))?;
    }
    let value = result
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("the script is wrong: {error}"))?;
    writeln!(output, "{value}").map_err(|error| format!("cannot print: {error}"))
}
