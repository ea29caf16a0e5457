//! The wire form of arguments and results: serde through bincode, fixed-width little-endian.
//!
//! The only place that names bincode. Arguments follow one another without a frame; the result
//! stands alone. Both ends are compiled from the same source types, so no type information travels.
//! What a guest wrote is read by [`decode_untrusted`], which is our own: see there.

use alloc_crate::string::{String, ToString as _};
use alloc_crate::vec::Vec;
use core::fmt;

use bincode::config::{Configuration, Fixint, LittleEndian, NoLimit};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};

pub mod form;
mod untrusted;

pub use untrusted::{
    MAX_DEPTH, MAX_EMPTY_ELEMENTS, MAX_SEARCHED, decode_untrusted, decode_untrusted_with,
};

const CONFIG: Configuration<LittleEndian, Fixint, NoLimit> =
    bincode::config::standard().with_fixed_int_encoding();

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
    /// Bytes are left over behind the value.
    Trailing {
        /// How many.
        bytes: usize,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the encoded value does not fit"),
            Self::Invalid(reason) => f.write_str(reason),
            Self::Trailing { bytes } => write!(f, "{bytes} bytes follow the value"),
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
    let mut writer = SinkWriter { sink, full: false };
    let result = bincode::serde::encode_into_writer(value, &mut writer, CONFIG);
    match result {
        _ if writer.full => Err(CodecError::Full),
        Ok(()) => Ok(()),
        Err(error) => Err(CodecError::Invalid(error.to_string())),
    }
}

struct SinkWriter<'a, S> {
    sink: &'a mut S,
    full: bool,
}

impl<S: Sink> Writer for SinkWriter<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
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
    fn result_with_a_tail_is_refused() {
        let mut bytes = encoded(&1_u32);
        bytes.push(0);
        assert_eq!(
            decode_untrusted::<u32>(&bytes),
            Err(CodecError::Trailing { bytes: 1 })
        );
    }

    #[test]
    fn claimed_length_beyond_the_bytes_is_refused() {
        for claim in [5, 1 << 20, 1 << 40, u64::MAX] {
            let mut bytes = encoded("abcd");
            bytes[..8].copy_from_slice(&claim.to_le_bytes());
            assert!(decode_untrusted::<String>(&bytes).is_err(), "{claim}");
            assert!(decode_untrusted::<Vec<u64>>(&bytes).is_err(), "{claim}");
        }
    }

    #[test]
    fn invalid_utf8_is_refused() {
        let mut bytes = encoded("abcd");
        bytes[8] = 0xff;
        assert!(matches!(
            decode_untrusted::<String>(&bytes),
            Err(CodecError::Invalid(_))
        ));
    }

    #[test]
    fn static_texts_are_those_of_the_image_and_no_others() {
        const IMAGE: &[u8] = b"onetwothree";
        let decode = |value: &Option<&str>| {
            decode_untrusted_with::<Option<&'static str>>(&encoded(value), IMAGE)
        };
        assert_eq!(decode(&Some("two")), Ok(Some("two")));
        assert_eq!(decode(&Some("")), Ok(Some("")));
        assert_eq!(decode(&None), Ok(None));
        assert!(matches!(decode(&Some("four")), Err(CodecError::Invalid(_))));
    }

    #[test]
    fn search_for_static_texts_is_bounded() {
        let mut image = vec![0; 1 << 20];
        image.push(b'a');
        let texts = encoded(&vec!["a"; 70]);
        let decoded = decode_untrusted_with::<Vec<&str>>(&texts, &image);
        let Err(CodecError::Invalid(reason)) = decoded else {
            panic!("{decoded:?}");
        };
        assert!(reason.starts_with("too many texts"), "{reason}");
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
    fn nested_values_round_trip() {
        let value = vec![("a".to_owned(), Some(1.5_f64)), (String::new(), None)];
        assert_eq!(decode_untrusted(&encoded(&value)), Ok(value));
    }

    #[test]
    fn both_readers_understand_what_the_writer_writes() {
        fn check<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(value: T) {
            let bytes = encoded(&value);
            assert_eq!(decode_untrusted::<T>(&bytes).as_ref(), Ok(&value));
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
    fn elements_without_bytes_are_counted() {
        for claim in [
            MAX_EMPTY_ELEMENTS.into(),
            u64::from(MAX_EMPTY_ELEMENTS) + 1,
            u64::MAX,
        ] {
            let decoded = decode_untrusted::<Vec<()>>(&claim.to_le_bytes());
            assert_eq!(
                decoded.is_ok(),
                claim == MAX_EMPTY_ELEMENTS.into(),
                "{claim}"
            );
        }
    }

    #[test]
    fn nesting_is_bounded() {
        // A list as recursive types make one: each byte nests one level deeper.
        #[derive(Debug)]
        struct List;
        impl<'de> Deserialize<'de> for List {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Option::<alloc_crate::boxed::Box<Self>>::deserialize(deserializer).map(|_| Self)
            }
        }
        let nested = |levels: usize| [vec![1; levels], vec![0]].concat();
        assert!(decode_untrusted::<List>(&nested(MAX_DEPTH as usize)).is_ok());
        assert!(decode_untrusted::<List>(&nested(MAX_DEPTH as usize + 1)).is_err());
        assert!(decode_untrusted::<List>(&nested(10_000_000)).is_err());
    }
}
