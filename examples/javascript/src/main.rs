//! `javascript SCRIPT [INPUT]`: runs a script, given as text, on JSON.

use std::process::ExitCode;

use clap::Parser;
use javascript::evaluate;

/// Runs a script in its own virtual machine.
#[derive(Parser)]
struct Options {
    /// The script; its last value is printed as JSON.
    script: String,
    /// JSON, which the script finds as `input`.
    #[arg(default_value = "null")]
    input: String,
}

#[expect(clippy::print_stdout, reason = "what the program is for")]
fn main() -> ExitCode {
    let options = Options::parse();
    match evaluate::try_call(&options.script, &options.input) {
        Ok(Ok(value)) => {
            println!("{value}");
            return ExitCode::SUCCESS;
        }
        Ok(Err(thrown)) => eprintln!("javascript: {thrown}"),
        Err(error) => eprintln!("javascript: {error}"),
    }
    ExitCode::FAILURE
}
