//! References within arguments.
//!
//! A guest decodes what they point to and keeps it until the call ends, like all of its memory. A host has no place to
//! keep it, so `#[virtine]` rejects references in results.

use alloc_crate::boxed::Box;
use alloc_crate::vec::Vec;
use core::marker::PhantomData;

use serde::{Deserializer, Serializer};

use super::containers::List;
use super::wire::{DecodeAs, EncodeAs};

/// A reference to one value.
pub struct Borrowed<F>(PhantomData<F>);

impl<T, F: EncodeAs<T>> EncodeAs<&T> for Borrowed<F> {
    fn encode<S: Serializer>(value: &&T, serializer: S) -> Result<S::Ok, S::Error> {
        F::encode(value, serializer)
    }
}

impl<T, F: EncodeAs<T>> EncodeAs<&[T]> for List<F> {
    fn encode<S: Serializer>(value: &&[T], serializer: S) -> Result<S::Ok, S::Error> {
        <Self as EncodeAs<[T]>>::encode(value, serializer)
    }
}

impl<'de, T, F: DecodeAs<'de, T>> DecodeAs<'de, &'static T> for Borrowed<F> {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<&'static T, D::Error> {
        F::decode(deserializer).map(|value| &*Box::leak(Box::new(value)))
    }
}

impl<'de, T, F: DecodeAs<'de, T>> DecodeAs<'de, &'static [T]> for List<F> {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<&'static [T], D::Error> {
        <Self as DecodeAs<'de, Vec<T>>>::decode(deserializer).map(|values| &*values.leak())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Decoder, encode};
    use super::super::{As, AsRef, Optional, SerdeForm};
    use super::*;

    #[test]
    fn references_point_to_copies() {
        let (rows, one) = ([&[1_u32, 2][..], &[3]], &7_u8);
        type Form = (List<List<SerdeForm>>, Optional<Borrowed<SerdeForm>>);
        type Value<'a> = (&'a [&'a [u32]], Option<&'a u8>);
        let value: Value<'_> = (&rows, Some(one));
        let mut bytes = Vec::new();
        encode(&AsRef::<Form, _>::new(&value), &mut bytes).expect("a Vec takes all");
        let decoded: As<Form, Value<'static>> = Decoder::new(&bytes).take().expect("a value");
        assert_eq!(decoded.0, value);
    }
}
