//! Capabilities by name.

use std::fmt;

/// Something that a guest may ask of its host, if its [`Policy`](crate::Policy) grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// To read from standard input.
    Stdin,
    /// To write to standard output.
    Stdout,
    /// To write to standard error.
    Stderr,
    /// To read clocks.
    Clock,
    /// Random bytes.
    Random,
    /// The program's arguments.
    Args,
    /// A variable of the environment.
    Env,
    /// To read a file.
    Read,
    /// To write, create, link, rename or remove a file, or to create or remove a directory.
    Write,
    /// To call a host function.
    Host,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdin => "stdin",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Args => "args",
            Self::Env => "env",
            Self::Read => "read",
            Self::Write => "write",
            Self::Host => "host",
        })
    }
}
