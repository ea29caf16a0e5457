//! The process that emulates the machine.

use std::fs::File;
use std::process::{Child, Command};

use super::Launch;
use crate::error::Error;

/// A running emulator. It ends with this value.
pub(super) struct Emulator {
    process: Child,
    _files: Vec<File>,
}

/// A command that also ends if this process is killed.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

impl Emulator {
    /// Starts it, and closes this process's copies of the pipe ends that it was given.
    pub(super) fn start(mut launch: Launch) -> Result<Self, Error> {
        let process = launch.command.spawn().map_err(|source| Error::Start {
            program: "setpriv",
            source,
        })?;
        Ok(Self {
            process,
            _files: launch.files,
        })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Both fail only if it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Removes messages that appear in every run from an emulator's output: QEMU warns of each CPU feature that it cannot
/// emulate. Bochs reports where its display is, and what it does before it has read the option to be quiet.
pub(super) fn without_noise(words: &str) -> String {
    let lines = words.lines().map(str::trim);
    let words: Vec<_> = lines.filter(|line| !is_noise(line)).collect();
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join("; "),
    }
}

fn is_noise(line: &str) -> bool {
    let level = line.trim_start_matches(|digit: char| digit.is_ascii_digit());
    // An empty line or a rule.
    line.trim_start_matches('=').is_empty()
        || line.contains(": warning: ")
        || line.starts_with("Bochs connected to screen")
        || level.starts_with("i[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information_of_bochs_is_left_out_but_not_its_panics() {
        let words = "00000000000i[      ] LTDL_LIBRARY_PATH not set\r\n\
                     Bochs connected to screen \"/dev/pts/2\"\r\n\
                     ==========\r\n\
                     00000012345p[BIOS  ] No bootable device.\r\n";
        assert_eq!(
            without_noise(words),
            "00000012345p[BIOS  ] No bootable device."
        );
    }
}
