//! The wire format of arguments and results: serde's data model, fixed-width little-endian.
//!
//! Arguments follow one another without a frame. The result stands alone. Both ends are compiled from the same source
//! types, so no type information is sent.
//!
//! | | |
//! |---|---|
//! | numbers, `bool` | bincode's: as wide as their type |
//! | `char` | 4 bytes |
//! | strings | number of bytes, 8 bytes; then the bytes |
//! | sequences, bytes | number of elements, 8 bytes; then the elements |
//! | maps | number of entries; then key and value of each |
//! | structs, tuples, arrays | their parts |
//! | options, enums | one byte, or 4 bytes for the variant; then its contents |
//!
//! So a run of plain values is encoded as it lies in memory. It moves as one piece of bytes, in both directions without
//! a copy in the guest:
//!
//! * Among arguments, the elements of a sequence start at a multiple of [`ALIGNMENT`], after zeros if necessary, so
//!   that a guest can use them in place.
//! * In a result, the number of elements, or of a string's bytes, may have the bit [`ELSEWHERE`]. It is then followed
//!   not by the elements but by the guest address of their encoded form and its length in bytes. The host reads them
//!   from there.
//!
//! The host has its own reader for what a guest wrote: `wasp-core/src/decode.rs`.

use serde::Serialize;

mod decoder;
pub mod described;
mod encoder;
mod error;
mod footprint;
pub mod form;
mod numbers;
pub mod plain;
mod row;
mod sink;
mod small;

pub use decoder::{Decoder, Elements};
pub use described::Encoding;
use encoder::Encoder;
pub use error::CodecError;
pub use sink::{ALIGNMENT, ELSEWHERE, Sink};
pub use small::Small;

/// How many levels deep a value from a guest may nest, unless the limit is raised. A level is any value that holds
/// another one: a struct or tuple, an enum variant, a sequence or map, a `Some`.
pub const DEPTH: u32 = 1000;

/// Appends the encoded form of `value` to `sink`.
///
/// # Errors
///
/// [`CodecError::Full`] if the sink refuses bytes, [`CodecError::Invalid`] if the type's own `Serialize` fails.
pub fn encode<T: Serialize + ?Sized>(value: &T, sink: &mut impl Sink) -> Result<(), CodecError> {
    encode_in(Encoding::Bare, value, sink)
}

/// Like [`encode`], in a given encoding.
///
/// # Errors
///
/// As for [`encode`], and [`CodecError::Undescribed`] if the value must be described but this encoding does not.
pub fn encode_in<T: Serialize + ?Sized>(
    encoding: Encoding,
    value: &T,
    sink: &mut impl Sink,
) -> Result<(), CodecError> {
    Encoder::new(sink, encoding).value(value)
}

/// A byte slice, encoded in one piece. Serde itself would pass it byte by byte.
pub struct Bytes<'a>(pub &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc_crate::{borrow::ToOwned, collections::BTreeMap, string::String, vec, vec::Vec};
    use serde::de::DeserializeOwned;

    fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(value, &mut bytes).expect("a Vec takes all");
        bytes
    }

    #[test]
    fn arguments_come_back_in_order_and_borrow() {
        let mut bytes = encoded("text");
        encode(&7_u16, &mut bytes).expect("a Vec takes all");
        encode(&Bytes(&[1, 2, 3]), &mut bytes).expect("a Vec takes all");
        let mut decoder = Decoder::new(&bytes);
        let text: &str = decoder.take().expect("text");
        assert!(bytes.as_ptr_range().contains(&text.as_ptr()));
        assert_eq!(text, "text");
        assert_eq!(decoder.take(), Ok(7_u16));
        assert_eq!(decoder.take::<&[u8]>(), Ok(&[1, 2, 3][..]));
    }

    #[test]
    fn bytes_and_a_vec_of_bytes_look_the_same() {
        assert_eq!(encoded(&Bytes(&[1, 2])), encoded(&vec![1_u8, 2]));
    }

    #[test]
    fn full_sink_is_told_from_a_bad_value() {
        struct Small(usize);
        impl Sink for Small {
            fn write(&mut self, bytes: &[u8]) -> bool {
                self.0
                    .checked_sub(bytes.len())
                    .map(|left| self.0 = left)
                    .is_some()
            }

            fn position(&self) -> usize {
                12 - self.0.min(12)
            }

            fn patch(&mut self, _: usize, _: &[u8]) {}
        }
        assert_eq!(encode("abcd", &mut Small(12)), Ok(()));
        assert_eq!(encode("abcd", &mut Small(11)), Err(CodecError::Full));
    }

    #[test]
    fn reader_understands_what_the_writer_writes() {
        fn check<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(value: T) {
            let bytes = encoded(&value);
            assert_eq!(Decoder::new(&bytes).take::<T>().as_ref(), Ok(&value));
        }
        check((i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
        check((u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
        check((f32::MIN, f64::MAX, true, false, ()));
        check(vec!['a', '\u{e9}', '\u{20ac}', '\u{1f980}', '\u{10ffff}']);
        check(BTreeMap::from([
            (1_u8, "one".to_owned()),
            (2, String::new()),
        ]));
        check([Ok(3_u16), Err(Some("x".to_owned()))]);
        check(vec![(); 5]);
        check(vec![vec![Some(Some(1_u8))], vec![None, Some(None)]]);
    }
}
