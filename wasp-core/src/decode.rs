//! Decoding of what guests hand over: results, and arguments of host functions.
//!
//! The bytes are hostile. They may claim any length, any depth and any count, and make the code of the user's types
//! panic. So what a value takes is bounded by what its guest was granted, and not by what the bytes say:
//!
//! * levels, by the attribute's `depth`; the stack for them is this module's own (`stack`);
//! * memory, by the size of each element, before it is made (`reader`, `elements`);
//! * time, by asking the [`Budget`] every now and then;
//! * a text that lies in the image is found where the guest says, and only if it is there (`statics`).
//!
//! The wire form is that of `virtine_rt::codec`, which writes it by bincode. Its own reader cannot serve here: it
//! reserves what a length claims, counts to 2^64 over elements that take no bytes, and recurses as deep as the bytes
//! say.

use std::io;
use std::mem::ManuallyDrop;

use serde::Deserialize;

use crate::caught::caught;
use crate::excerpt::excerpt;
use crate::meter::Allowance;
use crate::watchdog::Ended;
use reader::Reader;
pub(crate) use statics::Statics;

mod deserializer;
mod elements;
mod reader;
mod stack;
mod statics;
#[cfg(test)]
mod tests;

/// How many elements of one value's sequences and maps may take neither bytes nor memory, such as those of a
/// `Vec<()>`.
const MAX_EMPTY_ELEMENTS: u32 = 1 << 16;

/// What decoding may take of the host.
pub(crate) trait Budget {
    /// Takes so many bytes of memory.
    ///
    /// # Errors
    ///
    /// How many bytes there are, where these are fewer.
    fn take(&mut self, bytes: u64) -> Result<(), u64>;

    /// Whether there is time left.
    ///
    /// # Errors
    ///
    /// Why there is not.
    fn check(&mut self) -> Result<(), Ended>;
}

impl Budget for Allowance<'_> {
    fn take(&mut self, bytes: u64) -> Result<(), u64> {
        Allowance::take(self, bytes)
    }

    fn check(&mut self) -> Result<(), Ended> {
        Allowance::check(self)
    }
}

/// Why bytes gave no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// They are no value of the type; in this module's words, serde's or the type's.
    #[error("{0}")]
    Invalid(String),
    /// The code of the type panicked over them.
    #[error("its type's own code panicked: {0}")]
    Panicked(String),
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
    /// There was no time for all of them.
    #[error("there is no time left to decode it")]
    Ended(Ended),
    /// There is no address space for a stack.
    #[error("no stack to decode it on: {0}")]
    NoStack(#[from] io::Error),
}

impl serde::de::Error for Failure {
    fn custom<T: std::fmt::Display>(reason: T) -> Self {
        Self::Invalid(excerpt(reason))
    }
}

/// Bytes that claim to be one value.
pub(crate) struct Source<'b, 's> {
    /// The bytes, all of them.
    pub(crate) bytes: &'b [u8],
    /// How many levels they may nest.
    pub(crate) depth: u32,
    /// The texts that the value may borrow.
    pub(crate) statics: Statics<'b, 's>,
}

/// Decodes exactly one value, which `accept` must agree to. A value that is refused in the end, or left half made, is
/// dropped where there is stack for it; panics of its type's code are errors.
///
/// # Errors
///
/// See [`Failure`].
#[inline]
pub(crate) fn decode<'s, T: Deserialize<'s>>(
    source: Source<'_, 's>,
    budget: &mut dyn Budget,
    accept: impl FnOnce(&T) -> Result<(), Failure>,
) -> Result<T, Failure> {
    let depth = source.depth;
    let decoded = stack::run::<T, _>(depth, |room| {
        caught(|| {
            let mut reader = Reader::new(source, budget, room);
            let value = reader.whole::<T>()?;
            accept(&value)?;
            Ok(value)
        })
    });
    decoded?.unwrap_or_else(|panic| Err(Failure::Panicked(panic)))
}

/// Drops a value that was decoded and is not wanted, where there is stack for it.
#[cold]
pub(crate) fn discard<T>(value: T, depth: u32) {
    // Where there is no stack, it is leaked: better than to overflow the caller's.
    let value = ManuallyDrop::new(value);
    let _ = stack::run::<T, _>(depth, move |_| {
        caught(move || drop(ManuallyDrop::into_inner(value)))
    });
}
