//! The emulated machine: one QEMU process, from power-on to power-off.
//!
//! ```text
//! QEMU's stdin   <- the initramfs, a file without a name
//! QEMU's stdout  -> first serial port: the console, shown as it comes
//! QEMU's stderr  -> second serial port: the init script's report; and QEMU's own words
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::tools::QEMU;

mod console;

/// Everything but memory and files; the options of the kernel are the last.
///
/// Both of its processors are emulated by one thread: with two, about one run of the whole test suite in ten
/// had a guest that faulted or hung for no reason, and with one none had.
const ARGUMENTS: &str = "-accel tcg,thread=single -cpu EPYC,+svm,+npt -smp 2 -nodefaults -display none \
                         -no-reboot -initrd /dev/stdin -serial file:/dev/stdout \
                         -serial file:/dev/stderr -append";

/// Of the kernel's own words only the last before a panic are shown, the rest is in dmesg. A panic
/// reboots, which ends QEMU. The kernel's check of its timer fails on a slow emulation.
const KERNEL_OPTIONS: &str = "console=ttyS0 loglevel=1 panic=-1 no_timer_check";

/// A machine that can be switched on.
pub(crate) struct Machine {
    pub(crate) kernel: PathBuf,
    pub(crate) initramfs: File,
    /// In MiB.
    pub(crate) memory: u32,
    /// From power-on to power-off.
    pub(crate) limit: Duration,
}

impl Machine {
    /// Runs the machine to its end, its console on the standard output, and returns the exit status
    /// that its init script reports.
    pub(crate) fn run(self) -> Result<u8, Error> {
        let limit = self.limit;
        let mut qemu = self.start()?;
        let (console, report) = qemu.pipes();
        let report = thread::spawn(|| read_all(report));
        let (sender, end) = mpsc::channel();
        thread::spawn(move || sender.send(console::pass_on(console, io::stdout())));
        match end.recv_timeout(limit) {
            Ok(passed_on) => passed_on.map_err(Error::Output)?,
            Err(_) => return Err(Error::TimedOut { limit }),
        }
        status(&report.join().unwrap_or_default())
    }

    fn start(self) -> Result<Qemu, Error> {
        // QEMU has no reason to end on its own where this process is killed.
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", QEMU])
            .args(ARGUMENTS.split_whitespace())
            .arg(KERNEL_OPTIONS)
            .args(["-m", &self.memory.to_string()])
            .arg("-kernel")
            .arg(self.kernel)
            .stdin(self.initramfs)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map(Qemu)
            .map_err(|source| Error::Start {
                program: QEMU,
                source,
            })
    }
}

/// A running QEMU, which ends with this value.
struct Qemu(Child);

impl Qemu {
    fn pipes(&mut self) -> (impl Read + Send + use<>, impl Read + Send + use<>) {
        let (stdout, stderr) = (self.0.stdout.take(), self.0.stderr.take());
        (
            stdout.expect("stdout is piped and taken once"),
            stderr.expect("stderr is piped and taken once"),
        )
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_all(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What came before an error is still worth showing.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The exit status in the report; without one, the report says why.
fn status(report: &str) -> Result<u8, Error> {
    report
        .lines()
        .find_map(|line| line.trim().strip_prefix("exit ")?.parse().ok())
        .ok_or_else(|| Error::EndedEarly {
            words: without_warnings(report),
        })
}

/// QEMU warns of each feature of the processor that it cannot emulate, on every run.
fn without_warnings(report: &str) -> String {
    let lines = report.lines().map(str::trim);
    let words: Vec<_> = lines.filter(|line| !line.contains(": warning: ")).collect();
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join("; "),
    }
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
        let report = "qemu: warning: no such feature\r\ncannot load /modules/2-kvm.ko\r\n";
        let error = status(report).map_err(|error| error.to_string());
        assert!(
            matches!(&error, Err(text) if text.ends_with("words: cannot load /modules/2-kvm.ko")),
            "{error:?}"
        );
    }

    #[test]
    fn silent_machine_ended_early_too() {
        assert!(matches!(status(""), Err(Error::EndedEarly { words }) if words == "none"));
    }
}
