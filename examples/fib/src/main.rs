//! Computes a Fibonacci number on the host and in virtines, and prints how long each call took.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

/// Computes a Fibonacci number natively, in a virtine from its image, and in one from its snapshot.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Which number: up to 50, which takes a minute.
    #[arg(value_parser = clap::value_parser!(u64).range(..=50))]
    n: u64,
}

fn main() -> ExitCode {
    match run(Options::parse().n) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("fib: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(n: u64) -> Result<(), String> {
    let in_virtine = |call: fn(u64) -> Result<u64, wasp_core::Error>| {
        // The first call creates the virtual machine.
        call(0).map_err(|error| error.to_string())?;
        let (answer, time) = timed(|| call(n));
        Ok::<_, String>((answer.map_err(|error| error.to_string())?, time))
    };
    let rows = [
        ("native", timed(|| fib::recursive(n))),
        (
            "virtine, booted",
            in_virtine(fib::fib_from_image::try_call)?,
        ),
        ("virtine, snapshot", in_virtine(fib::fib::try_call)?),
    ];
    let mut output = io::stdout().lock();
    for (name, (answer, time)) in rows {
        let micros = time.as_secs_f64() * 1e6;
        writeln!(output, "{name:18} fib({n}) = {answer}  {micros:12.1} us")
            .map_err(|error| format!("cannot print: {error}"))?;
    }
    Ok(())
}

fn timed<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let answer = call();
    (answer, start.elapsed())
}
