//! `std::env`: the host's arguments and variables that the policy grants.

use alloc_crate::ffi::CString;
use alloc_crate::string::String;
use alloc_crate::vec;
use alloc_crate::vec::Vec;
use core::fmt;

use crate::guest::request::{self, Errno};

/// A buffer size that fits most values.
const USUAL: usize = 256;

macro_rules! lists {
    ($($list:ident of $item:ty;)*) => {
        $(
            /// Same as in std.
            #[derive(Clone, Debug, Default)]
            pub struct $list(vec::IntoIter<$item>);

            impl Iterator for $list {
                type Item = $item;

                fn next(&mut self) -> Option<$item> {
                    self.0.next()
                }

                fn size_hint(&self) -> (usize, Option<usize>) {
                    self.0.size_hint()
                }
            }
        )*
    };
}

lists! {
    Args of String;
    Vars of (String, String);
}

impl ExactSizeIterator for Args {}

impl DoubleEndedIterator for Args {
    fn next_back(&mut self) -> Option<String> {
        self.0.next_back()
    }
}

/// The arguments of the host's program, or none if the policy does not grant them.
///
/// # Panics
///
/// If one is not Unicode, as in std.
#[must_use]
pub fn args() -> Args {
    let texts = (0..).map_while(|index| text(|buffer| request::argument(index, buffer)).ok());
    let arguments: Vec<String> = texts
        .map(|bytes| String::from_utf8(bytes).expect("an argument that is Unicode"))
        .collect();
    Args(arguments.into_iter())
}

/// The granted variables that are set.
///
/// # Panics
///
/// If one is not Unicode, as in std.
#[must_use]
pub fn vars() -> Vars {
    let texts = (0..).map_while(|index| text(|buffer| request::variable_at(index, buffer)).ok());
    let variables: Vec<(String, String)> = texts
        .map(|bytes| String::from_utf8(bytes).expect("a variable that is Unicode"))
        .filter_map(|text| {
            let (name, value) = text.split_once('=')?;
            Some((name.into(), value.into()))
        })
        .collect();
    Vars(variables.into_iter())
}

/// Asks the host again with a larger buffer if the value does not fit.
fn text(mut ask: impl FnMut(&mut [u8]) -> Result<u64, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; USUAL];
    loop {
        let length = usize::try_from(ask(&mut buffer)?).unwrap_or(usize::MAX);
        if length <= buffer.len() {
            buffer.truncate(length);
            return Ok(buffer);
        }
        buffer.resize(length, 0);
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

/// Same as in std, for the variables that the policy grants.
///
/// # Errors
///
/// [`VarError::NotPresent`] for all others, [`VarError::NotUnicode`] as in std.
pub fn var<K: AsRef<str>>(name: K) -> Result<String, VarError> {
    let name = CString::new(name.as_ref()).map_err(|_| VarError::NotPresent)?;
    let value =
        text(|buffer| request::variable(&name, buffer)).map_err(|_| VarError::NotPresent)?;
    String::from_utf8(value).map_err(|error| {
        VarError::NotUnicode(String::from_utf8_lossy(error.as_bytes()).into_owned())
    })
}
