//! Runs programs on machines without KVM against the KVM that users have.
//!
//! QEMU emulates a whole machine with an AMD CPU in software, Bochs one with an Intel CPU. Both boot Debian's own
//! kernel, which loads its ordinary `kvm_amd` or `kvm_intel`. Programs inside therefore see a `/dev/kvm` with the
//! capabilities and behavior of a real one. They run some ten times slower in QEMU, and some hundred times slower in
//! Bochs. The tool shows whether something works, but not how fast.
//!
//! ```text
//! cargo run -p stock-kernel -- --program target/release/word-count --file README.md \
//!     word-count README.md
//! cargo run -p stock-kernel -- --processor intel --program target/release/word-count \
//!     --file README.md word-count README.md
//! ```
//!
//! On the Intel CPU, a guest with interrupts off (RFLAGS.IF) cannot be ended from outside. Debian's Bochs 2.7 keeps
//! interrupts masked while such a guest runs, which no real CPU does.
//!
//! Exit status: that of the command; 124 if the time is up; 125 if the machine could not run.
//!
//! # Environment
//!
//! * `STOCK_KERNEL_CACHE`: the folder that keeps the kernel, instead of `wasp-stock-kernel` in
//!   `XDG_CACHE_HOME` or `~/.cache`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::error::Error;
use crate::initramfs::Initramfs;
use crate::initramfs::passenger::Passenger;
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::processor::Processor;

mod error;
mod initramfs;
mod kernel;
mod machine;
mod processor;
mod scratch;
mod tools;

/// Runs a command on a stock Debian kernel with kvm_amd or kvm_intel, in an emulated machine.
#[derive(Parser)]
struct Options {
    /// Whose virtualization is emulated.
    #[arg(long, value_enum, default_value_t = Processor::Amd)]
    processor: Processor,
    /// Parameters of kvm_amd or kvm_intel, as in 'ept=0 unrestricted_guest=0'.
    #[arg(long, value_name = "NAME=VALUE ..", default_value = "")]
    kvm_parameters: String,
    /// Seconds that the machine may run, from power-on.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// The machine's memory.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: u32,
    /// A file to take along; DST is SRC's own path where it is left out.
    #[arg(long = "file", value_name = "SRC[:DST]")]
    files: Vec<Passenger>,
    /// A program to take along to /bin, with its shared libraries; call it as /bin/NAME where the
    /// shell, BusyBox's, has a command of that name.
    #[arg(long = "program", value_name = "PATH")]
    programs: Vec<PathBuf>,
    /// What root's shell runs, in the folder /.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(answer) => return print(&answer),
    };
    match run(&options) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("stock-kernel: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

fn run(options: &Options) -> Result<u8, Error> {
    tools::check(options.processor)?;
    let mut files = Initramfs::new(&options.command.join(" "))?;
    files.add_programs(&options.programs)?;
    files.add_passengers(&options.files)?;
    let kernel = Kernel::find()?;
    let modules = kernel.modules(options.processor)?;
    files.add_modules(modules, &options.kvm_parameters)?;
    Machine {
        processor: options.processor,
        kernel: kernel.image(),
        initramfs: files.store()?,
        memory: options.memory,
        limit: Duration::from_secs(options.timeout),
    }
    .run()
}

/// Prints the help or the usage error. Does not use clap's own status 2, which a command may also return.
fn print(answer: &clap::Error) -> ExitCode {
    // If this fails, the error cannot be reported.
    let _ = answer.print();
    match answer.use_stderr() {
        true => ExitCode::from(error::NOT_RUN),
        false => ExitCode::SUCCESS,
    }
}
