//! The process that emulates the machine.

use std::fs::File;
use std::process::{Child, Command};

use super::Launch;
use crate::error::Error;

/// An emulator at work, which ends with this value.
pub(super) struct Emulator {
    process: Child,
    _files: Vec<File>,
}

/// A command for a program that has no reason to end on its own where this process is killed.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

impl Emulator {
    /// Starts it; this process's copies of the ends that it was given are closed then.
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
        // Both fail only where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What is left of an emulator's words without those that come on every run: QEMU warns of each
/// feature of the processor that it cannot emulate, Bochs tells where its display is, and what it does
/// before it has read that it should not tell.
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
    // Empty, or a rule.
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
