//! Self-describing values, for types that are determined by the bytes, such as `serde_json::Value` or untagged enums.
//!
//! Such a type cannot be recognized before it asks. So a value is first sent without a description. If its type then
//! asks for one, the peer encodes it again: each value after a tag, structs as maps by field name, and variants by
//! name.

use core::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

/// Tags. The value after a tag has the same encoding as without one.
pub(super) mod tag {
    pub(in super::super) const UNIT: u8 = 0;
    pub(in super::super) const OPTION: u8 = 1;
    pub(in super::super) const BOOL: u8 = 2;
    pub(in super::super) const I8: u8 = 3;
    pub(in super::super) const I16: u8 = 4;
    pub(in super::super) const I32: u8 = 5;
    pub(in super::super) const I64: u8 = 6;
    pub(in super::super) const I128: u8 = 7;
    pub(in super::super) const U8: u8 = 8;
    pub(in super::super) const U16: u8 = 9;
    pub(in super::super) const U32: u8 = 10;
    pub(in super::super) const U64: u8 = 11;
    pub(in super::super) const U128: u8 = 12;
    pub(in super::super) const F32: u8 = 13;
    pub(in super::super) const F64: u8 = 14;
    pub(in super::super) const CHAR: u8 = 15;
    pub(in super::super) const TEXT: u8 = 16;
    pub(in super::super) const BYTES: u8 = 17;
    pub(in super::super) const SEQUENCE: u8 = 18;
    pub(in super::super) const MAP: u8 = 19;
    /// The variant's name, with its own tag, and its contents.
    pub(in super::super) const VARIANT: u8 = 20;
}

/// A reader of values with tags.
pub trait Tagged: Sized {
    /// The reader's error.
    type Error: de::Error;

    /// Takes the tag of the next value, which is then read as if it had none.
    ///
    /// # Errors
    ///
    /// If there is no tag.
    fn open(&mut self) -> Result<u8, Self::Error>;

    /// Reads a value that is nested one level deeper.
    ///
    /// # Errors
    ///
    /// If that is too deep, or if `read` fails.
    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Self::Error>,
    ) -> Result<T, Self::Error>;
}

/// Reads the next value as the kind that its tag says.
///
/// # Errors
///
/// If the value does not match its tag.
pub fn read_any<'de, R, V>(reader: &mut R, visitor: V) -> Result<V::Value, R::Error>
where
    R: Tagged,
    for<'r> &'r mut R: Deserializer<'de, Error = R::Error>,
    V: Visitor<'de>,
{
    match reader.open()? {
        tag::UNIT => reader.deserialize_unit(visitor),
        tag::OPTION => reader.deserialize_option(visitor),
        tag::BOOL => reader.deserialize_bool(visitor),
        tag::I8 => reader.deserialize_i8(visitor),
        tag::I16 => reader.deserialize_i16(visitor),
        tag::I32 => reader.deserialize_i32(visitor),
        tag::I64 => reader.deserialize_i64(visitor),
        tag::I128 => reader.deserialize_i128(visitor),
        tag::U8 => reader.deserialize_u8(visitor),
        tag::U16 => reader.deserialize_u16(visitor),
        tag::U32 => reader.deserialize_u32(visitor),
        tag::U64 => reader.deserialize_u64(visitor),
        tag::U128 => reader.deserialize_u128(visitor),
        tag::F32 => reader.deserialize_f32(visitor),
        tag::F64 => reader.deserialize_f64(visitor),
        tag::CHAR => reader.deserialize_char(visitor),
        tag::TEXT => reader.deserialize_str(visitor),
        tag::BYTES => reader.deserialize_byte_buf(visitor),
        tag::SEQUENCE => reader.deserialize_seq(visitor),
        tag::MAP => reader.deserialize_map(visitor),
        tag::VARIANT => reader.nested(|reader| visitor.visit_map(Variant(Some(reader)))),
        other => Err(unknown(other)),
    }
}

/// Reads the next value, which must be a variant.
///
/// # Errors
///
/// If it is not a variant, or if the visitor fails.
pub fn read_variant<'de, R, V>(reader: &mut R, visitor: V) -> Result<V::Value, R::Error>
where
    R: Tagged,
    for<'r> &'r mut R: de::EnumAccess<'de, Error = R::Error>,
    V: Visitor<'de>,
{
    match reader.open()? {
        tag::VARIANT => reader.nested(|reader| visitor.visit_enum(reader)),
        other => Err(unknown(other)),
    }
}

#[cold]
fn unknown<E: de::Error>(found: u8) -> E {
    E::custom(format_args!("expected the tag of a value, found {found}"))
}

/// A variant as a reader sees it that does not know its type: a map from its name to its contents.
struct Variant<'r, R>(Option<&'r mut R>);

impl<'de, R> MapAccess<'de> for Variant<'_, R>
where
    R: Tagged,
    for<'r> &'r mut R: Deserializer<'de, Error = R::Error>,
{
    type Error = R::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, R::Error> {
        match &mut self.0 {
            Some(reader) => seed.deserialize(&mut **reader).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, R::Error> {
        match self.0.take() {
            Some(reader) => seed.deserialize(reader),
            None => Err(de::Error::custom("a variant has one value")),
        }
    }
}

/// How a value is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Without a description.
    #[default]
    Bare,
    /// Each value with a tag.
    Described,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "bare",
            Self::Described => "described",
        })
    }
}
