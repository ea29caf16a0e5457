//! Arrays of any length: serde itself stops at 32 elements.

use alloc_crate::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple as _;
use serde::{Deserializer, Serializer};

use super::wire::{As, AsRef, DecodeAs, EncodeAs};

/// Arrays: the elements, one after the other.
///
/// Arrays may have any length, which is stated only in the array's own type.
pub struct Array<F>(PhantomData<F>);

impl<T, F: EncodeAs<T>, const N: usize> EncodeAs<[T; N]> for Array<F> {
    fn encode<S: Serializer>(value: &[T; N], serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for element in value {
            tuple.serialize_element(&AsRef::<F, T>::new(element))?;
        }
        tuple.end()
    }
}

impl<'de, T, F: DecodeAs<'de, T>, const N: usize> DecodeAs<'de, [T; N]> for Array<F> {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<[T; N], D::Error> {
        deserializer.deserialize_tuple(N, Elements(PhantomData::<(F, T)>))
    }
}

struct Elements<F, T, const N: usize>(PhantomData<(F, T)>);

impl<'de, T, F: DecodeAs<'de, T>, const N: usize> Visitor<'de> for Elements<F, T, N> {
    type Value = [T; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<[T; N], A::Error> {
        // No more is reserved ahead than the bytes can hold.
        let mut array = Vec::with_capacity(elements.size_hint().unwrap_or(0).min(N));
        while let Some(element) = elements.next_element::<As<F, T>>()? {
            array.push(element.0);
        }
        let found = array.len();
        let array: Result<[T; N], _> = array.try_into();
        array.map_err(|_| A::Error::invalid_length(found, &self))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Decoder, encode};
    use super::super::SerdeForm;
    use super::*;

    type Numbers = As<Array<SerdeForm>, [u16; 100]>;

    #[test]
    fn any_length_travels_in_serdes_own_form() {
        let array: [u16; 100] = core::array::from_fn(|number| number as u16);
        let mut bytes = Vec::new();
        encode(&AsRef::<Array<SerdeForm>, _>::new(&array), &mut bytes).expect("a Vec takes all");
        assert_eq!(bytes.len(), 200);
        let trusted: Numbers = Decoder::new(&bytes).take().expect("an array");
        assert_eq!(trusted.0, array);
    }

    #[test]
    fn array_with_an_element_too_few_is_refused() {
        assert!(Decoder::new(&[0; 199]).take::<Numbers>().is_err());
    }
}
