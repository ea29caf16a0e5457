//! The emulated machine: one process, from power-on to power-off.
//!
//! ```text
//! first serial port   -> the console, shown as it comes
//! second serial port  -> the init script's report, and the emulator's own messages
//! ```

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::processor::Processor;
use emulator::Emulator;

mod bochs;
mod console;
mod disc;
mod emulator;
mod qemu;

/// Of the kernel's messages, only the last before a panic are shown; the rest is in dmesg. A panic reboots, which ends
/// the emulator. The kernel's timer check fails on a slow emulation.
const KERNEL_OPTIONS: &str = "console=ttyS0,115200 loglevel=1 panic=-1 no_timer_check";

/// A machine that can be switched on.
pub(crate) struct Machine {
    pub(crate) processor: Processor,
    pub(crate) kernel: PathBuf,
    pub(crate) initramfs: File,
    /// In MiB.
    pub(crate) memory: u32,
    /// Time limit from power-on to power-off.
    pub(crate) limit: Duration,
}

/// The emulator's ends of the machine's serial ports.
struct Ports {
    console: PipeWriter,
    report: PipeWriter,
}

/// How to start an emulator, and the files that it opens through this process's descriptors.
struct Launch {
    command: Command,
    files: Vec<File>,
}

impl Machine {
    /// Runs the machine until it ends, with its console on standard output. Returns the exit status that its init
    /// script reports.
    pub(crate) fn run(self) -> Result<u8, Error> {
        let limit = self.limit;
        let (_emulator, console, report) = self.start()?;
        let report = thread::spawn(|| read_all(report));
        let (sender, end) = mpsc::channel();
        thread::spawn(move || sender.send(console::pass_on(console, io::stdout())));
        match end.recv_timeout(limit) {
            Ok(passed_on) => passed_on.map_err(Error::Output)?,
            Err(_) => return Err(Error::TimedOut { limit }),
        }
        status(&report.join().unwrap_or_default())
    }

    /// Both pipes end with the emulator, which then holds their only other ends.
    fn start(self) -> Result<(Emulator, PipeReader, PipeReader), Error> {
        let (console, to_console) = io::pipe().map_err(Error::Pipe)?;
        let (report, to_report) = io::pipe().map_err(Error::Pipe)?;
        let ports = Ports {
            console: to_console,
            report: to_report,
        };
        let launch = match self.processor {
            Processor::Amd => qemu::launch(self, ports),
            Processor::Intel => bochs::launch(self, ports)?,
        };
        Ok((Emulator::start(launch)?, console, report))
    }
}

fn read_all(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // Output before an error is still worth showing.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The exit status in the report. Without one, the report is the reason.
fn status(report: &str) -> Result<u8, Error> {
    report
        .lines()
        .find_map(|line| line.trim().strip_prefix("exit ")?.parse().ok())
        .ok_or_else(|| Error::EndedEarly {
            words: emulator::without_noise(report),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_found_among_warnings() {
        let report = "qemu-system-x86_64: warning: no such feature\r\nexit 7\r\n";
        assert!(matches!(status(report), Ok(7)));
    }

    #[test]
    fn machine_without_status_ended_early() {
        let report = "qemu: warning: no such feature\r\ncannot load kvm.ko\r\n";
        let error = status(report).map_err(|error| error.to_string());
        assert!(
            matches!(&error, Err(text) if text.ends_with("words: cannot load kvm.ko")),
            "{error:?}"
        );
    }

    #[test]
    fn silent_machine_ended_early_too() {
        assert!(matches!(status(""), Err(Error::EndedEarly { words }) if words == "none"));
    }
}
