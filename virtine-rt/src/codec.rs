//! The wire form of arguments and results: serde through bincode, fixed-width little-endian.
//!
//! The only place that names bincode. Arguments follow one another without a frame; the result
//! stands alone. Both ends are compiled from the same source types, so no type information travels.
//! What a guest wrote is read by the host's own reader, `wasp-core/src/decode.rs`.

use alloc_crate::string::{String, ToString as _};
use alloc_crate::vec::Vec;
use core::fmt;
use core::ops::Range;

use bincode::config::{Configuration, Fixint, LittleEndian, NoLimit};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};

pub mod form;
mod notes;

pub use notes::Note;
use notes::Notes;

const CONFIG: Configuration<LittleEndian, Fixint, NoLimit> =
    bincode::config::standard().with_fixed_int_encoding();

/// How many levels deep the host lets a value nest that a guest hands over, unless more are granted. A level is
/// whatever holds another value: a struct or tuple, an enum's variant, a sequence or map, a `Some`.
pub const DEPTH: u32 = 1000;

/// Where encoded bytes go, in order.
pub trait Sink {
    /// Takes the next bytes; `false` where they do not fit, which ends the encoding.
    fn write(&mut self, bytes: &[u8]) -> bool;
}

impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.extend_from_slice(bytes);
        true
    }
}

/// Why a value could not be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The sink took no more.
    Full,
    /// The bytes are not a value of the type, or the type cannot be encoded; serde's or bincode's
    /// own words.
    Invalid(String),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the encoded value does not fit"),
            Self::Invalid(reason) => f.write_str(reason),
        }
    }
}

impl core::error::Error for CodecError {}

/// Appends the encoded form of `value` to `sink`.
///
/// # Errors
///
/// [`CodecError::Full`] where the sink refuses bytes, [`CodecError::Invalid`] where the type's own
/// `Serialize` fails.
pub fn encode<T: Serialize + ?Sized>(value: &T, sink: &mut impl Sink) -> Result<(), CodecError> {
    encode_noting(value, sink, 0..0).map(drop)
}

/// As [`encode`]; returns a [`Note`] of each text among the value's that lies at `statics`, one behind the other, in
/// the order of their positions.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_noting<T: Serialize + ?Sized>(
    value: &T,
    sink: &mut impl Sink,
    statics: Range<usize>,
) -> Result<Vec<u8>, CodecError> {
    let mut writer = SinkWriter {
        sink,
        full: false,
        notes: Notes::of(statics),
    };
    let result = bincode::serde::encode_into_writer(value, &mut writer, CONFIG);
    match result {
        _ if writer.full => Err(CodecError::Full),
        Ok(()) => Ok(writer.notes.taken),
        Err(error) => Err(CodecError::Invalid(error.to_string())),
    }
}

struct SinkWriter<'a, S> {
    sink: &'a mut S,
    full: bool,
    notes: Notes,
}

impl<S: Sink> Writer for SinkWriter<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.notes.see(bytes);
        if self.sink.write(bytes) {
            return Ok(());
        }
        self.full = true;
        Err(EncodeError::UnexpectedEnd)
    }
}

/// A byte slice, encoded in one piece; serde alone would hand it over byte by byte.
pub struct Bytes<'a>(pub &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Takes values one after the other from the front of a run of bytes, borrowing from it.
///
/// For bytes from a peer that is trusted: the guest reads its arguments with it.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Starts at the first of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Takes the next value.
    ///
    /// # Errors
    ///
    /// [`CodecError::Invalid`] where the bytes are none.
    pub fn take<T: Deserialize<'a>>(&mut self) -> Result<T, CodecError> {
        let (value, used) = bincode::serde::borrow_decode_from_slice(self.rest, CONFIG)
            .map_err(|error| CodecError::Invalid(error.to_string()))?;
        self.rest = self.rest.get(used..).unwrap_or_default();
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc_crate::{borrow::ToOwned, collections::BTreeMap, string::String, vec};
    use serde::de::DeserializeOwned;

    fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(value, &mut bytes).expect("a Vec takes all");
        bytes
    }

    #[test]
    fn arguments_come_back_in_order_and_borrow() {
        let mut bytes = encoded("text");
        bytes.extend(encoded(&7_u16));
        bytes.extend(encoded(&Bytes(&[1, 2, 3])));
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

    #[test]
    fn texts_that_lie_in_the_statics_are_noted() {
        let text = "one and two";
        let here = text.as_ptr().addr();
        let value = (7_u8, "elsewhere", Some(&text[4..]), &text[..0], text);
        let mut bytes = Vec::new();
        let statics = here..here + text.len();
        let notes = encode_noting(&value, &mut bytes, statics).expect("a Vec takes all");
        assert_eq!(bytes, encoded(&value));
        let (first, rest) = Note::first(&notes).expect("a note");
        let (second, rest) = Note::first(rest).expect("a second one");
        assert!(rest.is_empty());
        let address = here as u64;
        assert_eq!(
            first,
            Note {
                position: 1 + 8 + 9 + 1 + 8,
                address: address + 4
            }
        );
        assert_eq!(
            second,
            Note {
                position: first.position + 7 + 8 + 8,
                address
            }
        );
    }
}
