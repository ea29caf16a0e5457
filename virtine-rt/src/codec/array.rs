//! Arrays of any length: serde itself stops at 32 elements.
//!
//! Of the same wire form as serde's own: the elements, one after the other.

use alloc_crate::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An array to encode.
pub struct ArrayRef<'a, T, const N: usize>(pub &'a [T; N]);

/// A decoded array.
pub struct Array<T, const N: usize>(pub [T; N]);

/// What an array is decoded as.
pub trait ArrayForm {
    /// [`Array`] of the same elements and length.
    type Form;
}

impl<T, const N: usize> ArrayForm for [T; N] {
    type Form = Array<T, N>;
}

impl<T: Serialize, const N: usize> Serialize for ArrayRef<'_, T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for element in self.0 {
            tuple.serialize_element(element)?;
        }
        tuple.end()
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Array<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(N, Elements(PhantomData))
    }
}

struct Elements<T, const N: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Elements<T, N> {
    type Value = Array<T, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Array<T, N>, A::Error> {
        // What is reserved ahead is what the bytes can hold.
        let mut array = Vec::with_capacity(elements.size_hint().unwrap_or(0).min(N));
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        let found = array.len();
        let array: Result<[T; N], _> = array.try_into();
        array
            .map(Array)
            .map_err(|_| A::Error::invalid_length(found, &self))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder, decode_untrusted, encode};
    use super::*;

    #[test]
    fn any_length_travels_in_serdes_own_form() {
        let array: [u16; 100] = core::array::from_fn(|number| number as u16);
        let mut bytes = Vec::new();
        encode(&ArrayRef(&array), &mut bytes).expect("a Vec takes all");
        assert_eq!(bytes.len(), 200);
        let trusted: Array<u16, 100> = Decoder::new(&bytes).take().expect("an array");
        let untrusted: Array<u16, 100> = decode_untrusted(&bytes).expect("an array");
        assert_eq!((trusted.0, untrusted.0), (array, array));

        let (mut one, mut other) = (Vec::new(), Vec::new());
        encode(&ArrayRef(&[1_u8, 2, 3]), &mut one).expect("a Vec takes all");
        encode(&[1_u8, 2, 3], &mut other).expect("a Vec takes all");
        assert_eq!(one, other);
    }

    #[test]
    fn array_with_an_element_too_few_is_refused() {
        let bytes = [0; 99];
        assert!(decode_untrusted::<Array<u8, 100>>(&bytes).is_err());
    }
}
