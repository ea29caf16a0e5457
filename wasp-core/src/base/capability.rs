//! Capabilities by name.

use std::fmt;

/// Something that a guest may ask of its host, if its [`Policy`](crate::Policy) grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Reading standard input.
    Stdin,
    /// Writing to standard output.
    Stdout,
    /// Writing to standard error.
    Stderr,
    /// Reading clocks.
    Clock,
    /// Getting random bytes.
    Random,
    /// Reading the program's arguments.
    Args,
    /// Reading an environment variable.
    Env,
    /// Reading a file.
    Read,
    /// Writing, creating, linking, renaming or removing a file, or creating or removing a directory.
    Write,
    /// Calling a host function.
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
