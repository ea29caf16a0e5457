//! The reader for bytes that a hostile guest may have written.
//!
//! Of the same wire form as bincode's, which cannot serve here: it reserves what a length claims
//! before it looks whether so much is there, counts to 2^64 over elements that take no bytes, and
//! recurses as deep as the bytes say. Here all three are bounded by what the bytes are.

use alloc_crate::string::{String, ToString as _};
use alloc_crate::vec::Vec;
use core::fmt;

use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer as _,
    Visitor,
};

use super::CodecError;

/// How deep values may nest in one another. A level of nesting takes stack on the host.
pub const MAX_DEPTH: u32 = 256;

/// How many elements of sequences and maps may take no bytes, such as those of a `Vec<()>`.
pub const MAX_EMPTY_ELEMENTS: u32 = 1 << 16;

/// How many bytes may be searched for the texts that one value borrows.
pub const MAX_SEARCHED: usize = 64 << 20;

/// Decodes exactly one value.
///
/// Takes time and memory in proportion to `bytes`, whatever they claim.
///
/// # Errors
///
/// [`CodecError::Invalid`] where the bytes are no value of the type or pass one of the bounds,
/// [`CodecError::Trailing`] where more than one value is there.
pub fn decode_untrusted<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode_untrusted_with(bytes, &[])
}

/// As [`decode_untrusted`], for a value that may borrow text from `statics`: a guest's `&'static str`
/// lies in its image, which the host has as well.
///
/// # Errors
///
/// As [`decode_untrusted`], and where such a text is not there, or [`MAX_SEARCHED`] is passed.
pub fn decode_untrusted_with<'s, T: Deserialize<'s>>(
    bytes: &[u8],
    statics: &'s [u8],
) -> Result<T, CodecError> {
    let mut reader = Reader {
        rest: bytes,
        depth: MAX_DEPTH,
        empty: MAX_EMPTY_ELEMENTS,
        statics,
        search: MAX_SEARCHED,
    };
    let value =
        T::deserialize(&mut reader).map_err(|Invalid(reason)| CodecError::Invalid(reason))?;
    match reader.rest.len() {
        0 => Ok(value),
        bytes => Err(CodecError::Trailing { bytes }),
    }
}

/// Why the bytes are no value.
#[derive(Debug)]
struct Invalid(String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Invalid {}

impl de::Error for Invalid {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self(reason.to_string())
    }
}

fn invalid<T>(reason: &str) -> Result<T, Invalid> {
    Err(Invalid(reason.to_string()))
}

struct Reader<'b, 's> {
    rest: &'b [u8],
    /// Levels of nesting that are left.
    depth: u32,
    /// Elements without bytes that are left.
    empty: u32,
    /// Where borrowed texts are.
    statics: &'s [u8],
    /// Bytes that may still be searched for them.
    search: usize,
}

impl<'b, 's> Reader<'b, 's> {
    fn bytes(&mut self, count: usize) -> Result<&'b [u8], Invalid> {
        match self.rest.split_at_checked(count) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => invalid("the bytes end inside a value"),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn length(&mut self) -> Result<usize, Invalid> {
        match usize::try_from(u64::from_le_bytes(self.array()?)) {
            Ok(length) => Ok(length),
            Err(_) => invalid("a length is out of range"),
        }
    }

    fn text(&mut self) -> Result<&'b str, Invalid> {
        let length = self.length()?;
        match str::from_utf8(self.bytes(length)?) {
            Ok(text) => Ok(text),
            Err(_) => invalid("a text is not UTF-8"),
        }
    }

    /// The same text among the statics, where there are any.
    fn borrowed(&mut self, text: &str) -> Result<Option<&'s str>, Invalid> {
        if self.statics.is_empty() {
            return Ok(None);
        }
        self.search = match self.search.checked_sub(self.statics.len()) {
            Some(left) => left,
            None => return invalid("too many texts to look for in the image"),
        };
        if text.is_empty() {
            return Ok(Some(""));
        }
        let mut places = self.statics.windows(text.len());
        let found = places.find(|place| *place == text.as_bytes());
        Ok(found.and_then(|found| str::from_utf8(found).ok()))
    }

    fn character(&mut self) -> Result<char, Invalid> {
        // As UTF-8: the first byte tells how many follow.
        let width = match self.rest.first() {
            Some(0..0x80) => 1,
            Some(0x80..0xe0) => 2,
            Some(0xe0..0xf0) => 3,
            _ => 4,
        };
        let text = str::from_utf8(self.bytes(width)?);
        match text.ok().and_then(|text| text.chars().next()) {
            Some(character) => Ok(character),
            None => invalid("a character is not UTF-8"),
        }
    }

    /// Reads what nests one level deeper.
    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Invalid>,
    ) -> Result<T, Invalid> {
        if self.depth == 0 {
            return Err(Invalid(alloc_crate::format!(
                "values nest deeper than {MAX_DEPTH} levels"
            )));
        }
        self.depth -= 1;
        let result = read(self);
        self.depth += 1;
        result
    }
}

/// `count` values in a row: the elements of a sequence or tuple, the keys and values of a map.
struct Elements<'r, 'b, 's> {
    reader: &'r mut Reader<'b, 's>,
    left: usize,
}

impl<'s> Elements<'_, '_, 's> {
    fn read<S: DeserializeSeed<'s>>(&mut self, seed: S) -> Result<S::Value, Invalid> {
        let before = self.reader.rest.len();
        let value = seed.deserialize(&mut *self.reader)?;
        if self.reader.rest.len() == before {
            match self.reader.empty.checked_sub(1) {
                Some(left) => self.reader.empty = left,
                None => {
                    return Err(Invalid(alloc_crate::format!(
                        "more than {MAX_EMPTY_ELEMENTS} elements take no bytes"
                    )));
                }
            }
        }
        Ok(value)
    }

    /// What may be reserved ahead: an element is taken to need a byte.
    fn hint(&self) -> usize {
        self.left.min(self.reader.rest.len())
    }
}

impl<'de> de::SeqAccess<'de> for Elements<'_, '_, 'de> {
    type Error = Invalid;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Invalid> {
        match self.left.checked_sub(1) {
            None => Ok(None),
            Some(left) => {
                self.left = left;
                self.read(seed).map(Some)
            }
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> de::MapAccess<'de> for Elements<'_, '_, 'de> {
    type Error = Invalid;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Invalid> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Invalid> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> de::EnumAccess<'de> for &mut Reader<'_, 'de> {
    type Error = Invalid;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Invalid> {
        let index = u32::from_le_bytes(self.array()?);
        let variant: Result<_, Invalid> = seed.deserialize(index.into_deserializer());
        Ok((variant?, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut Reader<'_, 'de> {
    type Error = Invalid;

    fn unit_variant(self) -> Result<(), Invalid> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Invalid> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}

/// The numbers: as many bytes as they are wide, little-endian.
macro_rules! numbers {
    ($($deserialize:ident $visit:ident $type:ty,)*) => {
        $(fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
            visitor.$visit(<$type>::from_le_bytes(self.array()?))
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'_, 'de> {
    type Error = Invalid;

    numbers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        match self.array()? {
            [0] => visitor.visit_bool(false),
            [1] => visitor.visit_bool(true),
            _ => invalid("a bool is neither 0 nor 1"),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_char(self.character()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        let text = self.text()?;
        match self.borrowed(text)? {
            Some(text) => visitor.visit_borrowed_str(text),
            None => visitor.visit_str(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_string(self.text()?.to_string())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        let length = self.length()?;
        visitor.visit_bytes(self.bytes(length)?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        let length = self.length()?;
        visitor.visit_byte_buf(Vec::from(self.bytes(length)?))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        match self.array()? {
            [0] => visitor.visit_none(),
            [1] => self.nested(|reader| visitor.visit_some(reader)),
            _ => invalid("an Option is neither 0 nor 1"),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        self.nested(|reader| visitor.visit_newtype_struct(reader))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        let length = self.length()?;
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        self.nested(|reader| {
            visitor.visit_seq(Elements {
                reader,
                left: length,
            })
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        let left = self.length()?;
        self.nested(|reader| visitor.visit_map(Elements { reader, left }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        self.nested(|reader| visitor.visit_enum(reader))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Invalid> {
        invalid("a type that must be told from the bytes cannot travel")
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Invalid> {
        invalid("a type with fields in any order cannot travel")
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Invalid> {
        invalid("a type with fields to be passed over cannot travel")
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
