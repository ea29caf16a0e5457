//! The serde implementation that decodes the bytes of a trusted peer.

use alloc_crate::string::ToString as _;
use alloc_crate::vec::Vec;
use core::{fmt, mem, str};

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

use super::described::{Encoding, Tagged, read_any, read_variant};
use super::error::CodecError;
use super::numbers::CONFIG;
use super::plain::{self, Plain};
use super::sink::{ALIGNMENT, AS_THEY_LIE};

/// Takes consecutive values from the front of a run of bytes, and borrows from it.
///
/// For bytes from a trusted peer: the guest reads its arguments with it.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    /// The number of bytes at the start.
    length: usize,
    /// Whether the elements of sequences start at multiples of [`ALIGNMENT`].
    aligned: bool,
    /// Whether each value has a tag.
    described: bool,
    /// Whether the tag of the next value has been read.
    open: bool,
}

impl de::Error for CodecError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::Invalid(reason.to_string())
    }
}

#[cold]
fn invalid<T>(reason: &str) -> Result<T, CodecError> {
    Err(CodecError::Invalid(reason.into()))
}

/// Elements of a slice, in place or copied.
#[derive(Debug)]
pub enum Elements<'a, T> {
    /// Where the peer has put them.
    InPlace(&'a [T]),
    /// In memory of their own.
    Copied(Vec<T>),
}

impl<'a> Decoder<'a> {
    /// Starts at the first of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            length: bytes.len(),
            aligned: false,
            described: false,
            open: false,
        }
    }

    /// Reads values in this encoding.
    #[must_use]
    pub const fn in_encoding(self, encoding: Encoding) -> Self {
        Self {
            described: matches!(encoding, Encoding::Described),
            ..self
        }
    }

    /// Like [`Decoder::new`], for bytes from an [aligned](super::Sink::ALIGNED) sink.
    #[must_use]
    pub const fn aligned(bytes: &'a [u8]) -> Self {
        Self {
            aligned: true,
            ..Self::new(bytes)
        }
    }

    /// Takes the next value.
    ///
    /// # Errors
    ///
    /// [`CodecError::Invalid`] if the bytes are not such a value.
    #[inline]
    pub fn take<T: Deserialize<'a>>(&mut self) -> Result<T, CodecError> {
        T::deserialize(self)
    }

    /// Takes the elements of the next value, a slice. Does not copy them if their encoding is their memory layout.
    ///
    /// # Errors
    ///
    /// [`CodecError::Invalid`] if the bytes are not such elements.
    pub fn take_elements<T: Deserialize<'a>>(&mut self) -> Result<Elements<'a, T>, CodecError> {
        let before = *self;
        if self.described {
            return self.take().map(Elements::Copied);
        }
        let (count, lie_so) = self.marked_sequence()?;
        let bytes = count.checked_mul(size_of::<T>());
        if let Some(bytes) = bytes.and_then(|bytes| self.rest.get(..bytes))
            && lie_so
            // SAFETY: the peer has marked them, and its `T` has the same source and the same compiler.
            && let Some(elements) = unsafe { plain::in_place(bytes, count) }
        {
            self.bytes(bytes.len())?;
            return Ok(Elements::InPlace(elements));
        }
        *self = before;
        self.take().map(Elements::Copied)
    }

    /// Whether all bytes have been taken.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        match self.rest.split_at_checked(count) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => invalid("the bytes end inside a value"),
        }
    }

    #[inline]
    fn number<N: bincode::Decode<()>>(&mut self) -> Result<N, CodecError> {
        match bincode::decode_from_slice(self.rest, CONFIG) {
            Ok((number, used)) => {
                self.bytes(used)?;
                Ok(number)
            }
            Err(_) => invalid("the bytes are no such number"),
        }
    }

    #[inline]
    fn length(&mut self) -> Result<usize, CodecError> {
        Ok(self.number::<u64>()? as usize)
    }

    /// The number of elements that follow.
    #[inline]
    fn sequence(&mut self) -> Result<usize, CodecError> {
        Ok(self.marked_sequence()?.0)
    }

    /// The number of elements that follow, and whether they are encoded as they lie in memory.
    #[inline]
    fn marked_sequence(&mut self) -> Result<(usize, bool), CodecError> {
        let count = self.number::<u64>()?;
        if !self.aligned {
            return Ok((count as usize, false));
        }
        let (count, mark) = (count & !AS_THEY_LIE, count & AS_THEY_LIE);
        if !self.described && count > 0 {
            let position = self.length - self.rest.len();
            self.bytes(position.next_multiple_of(ALIGNMENT) - position)?;
        }
        Ok((count as usize, mark != 0))
    }

    fn byte_run(&mut self) -> Result<&'a [u8], CodecError> {
        let count = self.sequence()?;
        self.bytes(count)
    }

    fn text(&mut self) -> Result<&'a str, CodecError> {
        let length = self.length()?;
        match str::from_utf8(self.bytes(length)?) {
            Ok(text) => Ok(text),
            Err(_) => invalid("a text is not UTF-8"),
        }
    }

    /// Consecutive plain values.
    fn values<P: Plain>(&mut self) -> Result<Vec<P>, CodecError> {
        let count = self.sequence()?;
        let bytes = self.bytes(count.saturating_mul(size_of::<P>()))?;
        let mut values = Vec::new();
        match plain::extend(&mut values, bytes) {
            true => Ok(values),
            false => invalid("the bytes are no such values"),
        }
    }
}

impl Tagged for Decoder<'_> {
    type Error = CodecError;

    fn open(&mut self) -> Result<u8, CodecError> {
        let tag = self.number::<u8>()?;
        self.open = true;
        Ok(tag)
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<T, CodecError> {
        self.open = false;
        read(self)
    }
}

impl Decoder<'_> {
    /// Whether the next value has an unread tag. Resets the flag.
    #[inline]
    fn is_closed(&mut self) -> bool {
        self.described && !mem::take(&mut self.open)
    }
}

/// Reads the value by its tag, if it has one.
macro_rules! told {
    ($self:ident $visitor:ident) => {
        if $self.is_closed() {
            return read_any($self, $visitor);
        }
    };
}

macro_rules! numbers {
    ($($deserialize:ident $visit:ident $type:ty,)*) => {
        $(#[inline]
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
            told!(self visitor);
            visitor.$visit(self.number::<$type>()?)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = CodecError;

    numbers! {
        deserialize_bool visit_bool bool,
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

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        told!(self visitor);
        match char::from_u32(self.number()?) {
            Some(character) => visitor.visit_char(character),
            None => invalid("a character is no Unicode scalar value"),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        told!(self visitor);
        visitor.visit_borrowed_str(self.text()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        told!(self visitor);
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        told!(self visitor);
        visitor.visit_borrowed_bytes(self.byte_run()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        told!(self visitor);
        visitor.visit_borrowed_bytes(self.byte_run()?)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        told!(self visitor);
        match self.number::<u8>()? {
            0 => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        told!(self visitor);
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        told!(self visitor);
        macro_rules! try_each {
            ($($type:ident)*) => {$(
                if plain::is_vec_visitor::<V, $type>() && !self.described {
                    let values = self.values::<$type>()?;
                    if let Some(values) = plain::identical(values) {
                        return Ok(values);
                    }
                }
            )*};
        }
        plain::plain_types!(try_each);
        let left = self.sequence()?;
        visitor.visit_seq(Parts {
            decoder: self,
            left,
        })
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        told!(self visitor);
        visitor.visit_seq(Parts {
            decoder: self,
            left: length,
        })
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        told!(self visitor);
        let left = self.length()?;
        visitor.visit_map(Parts {
            decoder: self,
            left,
        })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        told!(self visitor);
        self.deserialize_tuple(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        match self.is_closed() {
            true => read_variant(self, visitor),
            false => visitor.visit_enum(self),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        told!(self visitor);
        Err(CodecError::Undescribed)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// A number of consecutive values.
struct Parts<'d, 'de> {
    decoder: &'d mut Decoder<'de>,
    left: usize,
}

impl<'de> Parts<'_, 'de> {
    #[inline]
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, CodecError> {
        match self.left.checked_sub(1) {
            None => Ok(None),
            Some(left) => {
                self.left = left;
                seed.deserialize(&mut *self.decoder).map(Some)
            }
        }
    }
}

impl<'de> SeqAccess<'de> for Parts<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, CodecError> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Parts<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, CodecError> {
        self.next(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, CodecError> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Decoder<'de> {
    type Error = CodecError;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), CodecError> {
        if self.described {
            let variant = seed.deserialize(&mut *self)?;
            return Ok((variant, self));
        }
        let index = self.number::<u32>()?;
        let variant: Result<_, CodecError> = seed.deserialize(index.into_deserializer());
        Ok((variant?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Decoder<'de> {
    type Error = CodecError;

    #[inline]
    fn unit_variant(self) -> Result<(), CodecError> {
        match self.described {
            true => <()>::deserialize(self),
            false => Ok(()),
        }
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, CodecError> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deserialize_struct("", fields, visitor)
    }
}
