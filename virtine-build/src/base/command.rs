//! Runs commands and turns their failures into errors.

use std::io;
use std::process::{Command, Output};

use crate::base::error::Error;

/// Runs a command until it exits, whether it succeeds or not.
pub(crate) fn output(command: &mut Command) -> Result<Output, Error> {
    command.output().map_err(|source: io::Error| Error::Start {
        command: describe(command),
        source,
    })
}

/// Runs a command that must succeed.
pub(crate) fn checked_output(command: &mut Command) -> Result<Output, Error> {
    let output = output(command)?;
    match output.status.success() {
        true => Ok(output),
        false => Err(failure(command, &output)),
    }
}

/// The error for a command that failed.
pub(crate) fn failure(command: &Command, output: &Output) -> Error {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Error::Command {
        command: describe(command),
        status: output.status.to_string(),
        output: text(&output.stderr) + &text(&output.stdout),
    }
}

fn describe(command: &Command) -> String {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
