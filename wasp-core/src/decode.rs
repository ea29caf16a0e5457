//! Decoding of the values that guests send: results, and arguments of host functions.
//!
//! The bytes are hostile. They may claim any length, any depth and any count, and make the code of the user's types
//! panic. So the cost of a value is bounded by what its guest was granted, not by what the bytes say:
//!
//! * levels, by the attribute's `depth`; the stack for them belongs to this module (`stack`);
//! * memory, by the size of each element, before it is created (`reader`, `elements`);
//! * time, by regular checks of the [`Budget`];
//! * bytes that lie elsewhere must be the guest's own memory, and are charged each time they are named (`elsewhere`);
//! * a string in the image is looked up at the guest's address, and used only if it is there (`statics`).
//!
//! The wire format is that of `virtine_rt::codec`. Its own reader is not suitable here: it counts to 2^64 over elements
//! that take no bytes, and recurses as deep as the bytes say.

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

/// Decodes exactly one value, which `accept` must approve. A value that is refused at the end or left incomplete is
/// dropped on a stack with enough room. Panics of its type's code become errors.
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

/// Drops a decoded value that is not needed, on a stack with enough room.
#[cold]
pub(crate) fn discard<T>(value: T, depth: u32) {
    // Without a stack, it is leaked. That is better than overflowing the caller's.
    let value = ManuallyDrop::new(value);
    let _ = stack::run::<T, _>(depth, move |_| {
        caught(move || drop(ManuallyDrop::into_inner(value)))
    });
}
