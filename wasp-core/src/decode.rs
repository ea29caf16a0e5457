//! Decoding of what guests hand over: results, and arguments of host functions.
//!
//! The bytes are hostile. They may claim any length, any depth and any count, and make the code of the user's types
//! panic. So what a value takes is bounded by what its guest was granted, and not by what the bytes say:
//!
//! * levels, by the attribute's `depth`; the stack for them is this module's own (`stack`);
//! * memory, by the size of each element, before it is made (`reader`, `elements`);
//! * time, by asking the [`Budget`] every now and then;
//! * what is named elsewhere is the guest's own memory, and is charged each time that it is named (`elsewhere`);
//! * a text that lies in the image is found where the guest says, and only if it is there (`statics`).
//!
//! The wire form is that of `virtine_rt::codec`. Its own reader cannot serve here: it counts to 2^64 over elements that
//! take no bytes, and recurses as deep as the bytes say.

use std::mem::ManuallyDrop;

use serde::Deserialize;

use crate::base::caught::caught;
use crate::decode::budget::Budget;
use crate::decode::failure::Failure;
use crate::decode::reader::Reader;
use crate::decode::source::Source;

pub(crate) mod budget;
mod deserializer;
mod elements;
pub(crate) mod elsewhere;
pub(crate) mod failure;
mod leaves;
mod reader;
pub(crate) mod source;
mod stack;
pub(crate) mod statics;
#[cfg(test)]
mod tests;
mod text;

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
            let value = reader.whole::<T>().map_err(|failure| *failure)?;
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
