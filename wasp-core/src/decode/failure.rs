//! Why bytes gave no value.

use std::io;

use crate::base::ended::Ended;
use crate::base::excerpt::excerpt;

/// Why bytes gave no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// They are no value of the type; in this module's words, serde's or the type's.
    #[error("{0}")]
    Invalid(String),
    /// The code of the type panicked over them.
    #[error("its type's own code panicked: {0}")]
    Panicked(String),
    /// Their type asks what they are, and they do not tell.
    #[error("its type must be told from the bytes, and these do not tell")]
    Undescribed,
    /// They nest too deep.
    #[error(
        "values nest deeper than {levels} levels; raise it: #[virtine(depth = ...)], or `Policy::depth` \
         for arguments of host functions"
    )]
    TooDeep {
        /// How deep they may.
        levels: u32,
    },
    /// What they stand for is larger than the guest's memory.
    #[error(
        "its values take {needed} bytes of memory or more, but the virtine has {available} left for them; \
         raise it: #[virtine(memory = \"...\")]"
    )]
    TooLarge {
        /// Bytes that are needed so far.
        needed: u64,
        /// Bytes that are granted.
        available: u64,
    },
    /// They lie where the guest has no memory.
    #[error("expected {length} bytes of the guest's memory at {address:#x}, found none")]
    Place {
        /// A guest address.
        address: u64,
        /// How many bytes.
        length: u64,
    },
    /// There was no time for all of them.
    #[error("there is no time left to decode it")]
    Ended(Ended),
    /// There is no address space for a stack.
    #[error("no stack to decode it on: {0}")]
    NoStack(#[from] io::Error),
}

/// In a box, so that results of small values are small: the compiler keeps those in registers.
impl serde::de::Error for Box<Failure> {
    fn custom<T: std::fmt::Display>(reason: T) -> Self {
        Self::new(Failure::Invalid(excerpt(reason)))
    }
}
