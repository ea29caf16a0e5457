//! Why the command's exit status is unknown.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The machine could not run, or ended before the command did.
pub(crate) const NOT_RUN: u8 = 125;

/// The command exceeded its time limit. timeout(1) uses the same number.
const TIMED_OUT: u8 = 124;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "missing here: {}; install with `apt-get install -y --no-install-recommends {}`",
        .names.join(", "),
        .packages.join(" ")
    )]
    MissingTools {
        names: Vec<&'static str>,
        packages: Vec<&'static str>,
    },
    #[error("apt knows no package that linux-image-cloud-amd64 stands for: run `apt-get update`")]
    NoKernelPackage,
    #[error("no folder for the kernel: expected STOCK_KERNEL_CACHE, XDG_CACHE_HOME or HOME")]
    NoCache,
    #[error("{package} holds no {expected}")]
    NotInPackage { package: String, expected: String },
    #[error("cannot {operation} {}: {source}", .path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot start {program}: {source}")]
    Start {
        program: &'static str,
        source: io::Error,
    },
    #[error("{command} failed: {words}")]
    Command { command: String, words: String },
    #[error("{} needs the shared library {library}, which is not found here", .program.display())]
    NoLibrary { program: PathBuf, library: String },
    #[error("expected an absolute path below / inside the machine, found `{0}`")]
    Destination(String),
    #[error("two different files are to be /{0} inside the machine")]
    Conflict(String),
    #[error("cannot make a pipe for the machine's serial port: {0}")]
    Pipe(io::Error),
    #[error("cannot pass the machine's output on: {0}")]
    Output(io::Error),
    #[error("the command did not end within {} seconds", .limit.as_secs())]
    TimedOut { limit: Duration },
    #[error("the machine ended before the command did; its last words: {words}")]
    EndedEarly { words: String },
}

impl Error {
    /// Names the operation on `path` that failed.
    pub(crate) fn file(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::TimedOut { .. } => TIMED_OUT,
            _ => NOT_RUN,
        }
    }
}
