//! Values that tell what they are: for types that must be told from the bytes, such as `serde_json::Value`, or enums
//! without a tag.
//!
//! Nobody knows such a type before it asks. So a value first travels without a description, and where its type then
//! asks for one, its peer encodes it once more: each value with a tag in front, structs as maps by the names of their
//! fields, and variants by their names.

use core::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

/// What follows a tag: the same form that it has without one.
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
    /// The variant's name, with a tag of its own, and what it holds.
    pub(in super::super) const VARIANT: u8 = 20;
}

/// A reader of values with tags.
pub trait Tagged: Sized {
    /// The reader's own.
    type Error: de::Error;

    /// Takes the tag of the next value, which is then read as if it had none.
    ///
    /// # Errors
    ///
    /// Where there is none.
    fn open(&mut self) -> Result<u8, Self::Error>;

    /// Reads what nests one level deeper.
    ///
    /// # Errors
    ///
    /// Where that is too deep, and what `read` finds.
    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Self::Error>,
    ) -> Result<T, Self::Error>;
}

/// Reads the next value as what it says that it is.
///
/// # Errors
///
/// Where it says something else than there is.
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
/// Where it is something else, and what the visitor finds.
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

/// A variant as one who does not know its type sees it: a map of its name and what it holds.
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
    /// Without a word of what it is.
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
