//! `run [--read PATH] [--timeout TIME] PROGRAM ARGS...`: runs a static Linux program in its own virtual machine, with
//! only the access to the host that is granted.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use wasp_core::linux::{Program, Status};
use wasp_core::{Error, Policy};

/// Runs a static Linux program in its own virtual machine.
#[derive(Parser)]
struct Options {
    /// A file or folder that it may read. May be given more than once.
    #[arg(long, value_name = "PATH")]
    read: Vec<PathBuf>,
    /// A file or folder that it may write.
    #[arg(long, value_name = "PATH")]
    write: Vec<PathBuf>,
    /// An environment variable that it inherits.
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// Time limit in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    timeout: f64,
    /// MiB of memory for heap, mappings and stack.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    memory: u64,
    /// The program: a static executable for x86-64.
    program: PathBuf,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("run: {}: {error}", options.program.display());
            ExitCode::from(125)
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, Error> {
    let Ok(timeout) = Duration::try_from_secs_f64(options.timeout) else {
        eprintln!("run: expected seconds, found {}", options.timeout);
        return Ok(ExitCode::from(125));
    };
    let mut policy = Policy::new().stdin().stdout().stderr().clock().random();
    policy = options.read.iter().fold(policy, Policy::read);
    policy = options.write.iter().fold(policy, Policy::write);
    let mut program = Program::open(&options.program)?
        .args(&options.arguments)
        .policy(policy)
        .memory(options.memory.saturating_mul(1 << 20))
        .timeout(timeout);
    for name in &options.env {
        if let Some(value) = std::env::var_os(name) {
            program = program.env(name, value);
        }
    }
    let finished = program.status()?;
    if !finished.success() && !finished.refused.is_empty() {
        eprintln!(
            "run: the program was refused: {}",
            finished.refused.join(", ")
        );
    }
    Ok(match finished.status {
        Status::Exited(code) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        // As in shells.
        Status::Killed(signal) => ExitCode::from(128 + signal),
    })
}
