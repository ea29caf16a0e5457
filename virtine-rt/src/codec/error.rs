//! Why a value could not be encoded or decoded.

use alloc_crate::string::String;
use core::fmt;

/// Why a value could not be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The sink is full.
    Full,
    /// The type is determined by the bytes, and these have no description: see [`Encoding`](super::Encoding).
    Undescribed,
    /// The bytes are not a value of the type, or the type cannot be encoded. Holds serde's message.
    Invalid(String),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the encoded value does not fit"),
            Self::Undescribed => f.write_str("the type must be told from the bytes"),
            Self::Invalid(reason) => f.write_str(reason),
        }
    }
}

impl core::error::Error for CodecError {}
