//! `std::env` in a virtine, which has neither arguments nor variables of its own.

use alloc_crate::string::String;
use core::fmt;
use core::iter;

/// The arguments of the program: none.
#[derive(Clone, Debug, Default)]
pub struct Args(iter::Empty<String>);

/// The arguments of the program: none.
#[must_use]
pub fn args() -> Args {
    Args::default()
}

impl Iterator for Args {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Args {}

impl DoubleEndedIterator for Args {
    fn next_back(&mut self) -> Option<String> {
        self.0.next_back()
    }
}

/// The environment's variables: none.
#[derive(Clone, Debug, Default)]
pub struct Vars(iter::Empty<(String, String)>);

/// The environment's variables: none.
#[must_use]
pub fn vars() -> Vars {
    Vars::default()
}

impl Iterator for Vars {
    type Item = (String, String);

    fn next(&mut self) -> Option<(String, String)> {
        self.0.next()
    }
}

/// Why a variable cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VarError {
    /// It is not set.
    NotPresent,
    /// It is not Unicode.
    NotUnicode(String),
}

impl fmt::Display for VarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPresent => f.write_str("environment variable not found"),
            Self::NotUnicode(text) => {
                write!(f, "environment variable was not valid unicode: {text:?}")
            }
        }
    }
}

impl core::error::Error for VarError {}

/// One of the environment's variables, of which there are none.
///
/// # Errors
///
/// Always [`VarError::NotPresent`].
pub fn var<K: AsRef<str>>(_: K) -> Result<String, VarError> {
    Err(VarError::NotPresent)
}
