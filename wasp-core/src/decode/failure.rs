//! Why bytes could not be decoded.

use std::io;

use crate::base::ended::Ended;
use crate::base::excerpt::excerpt;

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// They are not a value of the type, in the words of this module, serde or the type.
    #[error("{0}")]
    Invalid(String),
    /// The type's code panicked on them.
    #[error("its type's own code panicked: {0}")]
    Panicked(String),
    /// The type asks for a description of the bytes, and they have none.
    #[error("its type must be told from the bytes, and these do not tell")]
    Undescribed,
    /// They nest too deeply.
    #[error(
        "values nest deeper than {levels} levels; raise it: #[virtine(depth = ...)], or `Policy::depth` \
         for arguments of host functions"
    )]
    TooDeep {
        /// How deep they may nest.
        levels: u32,
    },
    /// The value is larger than the guest's memory.
    #[error(
        "its values take {needed} bytes of memory or more, but the virtine has {available} left for them; \
         raise it: #[virtine(memory = \"...\")]"
    )]
    TooLarge {
        /// Bytes needed so far.
        needed: u64,
        /// Bytes granted.
        available: u64,
    },
    /// The process that held them has ended.
    #[error("the guest's process has ended")]
    Gone,
    /// They lie where the guest has no memory.
    #[error("expected {length} bytes of the guest's memory at {address:#x}, found none")]
    Place {
        /// A guest address.
        address: u64,
        /// Length in bytes.
        length: u64,
    },
    /// There was not enough time for all of them.
    #[error("there is no time left to decode it")]
    Ended(Ended),
    /// There is no address space for a stack.
    #[error("no stack to decode it on: {0}")]
    NoStack(#[from] io::Error),
}

/// Boxed, so that results of small values are small, and the compiler keeps those in registers.
impl serde::de::Error for Box<Failure> {
    fn custom<T: std::fmt::Display>(reason: T) -> Self {
        Self::new(Failure::Invalid(excerpt(reason)))
    }
}
