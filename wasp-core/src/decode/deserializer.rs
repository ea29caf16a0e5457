//! The serde implementation of the reader.

use std::any::type_name;
use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, VariantAccess, Visitor,
};

use virtine_rt::codec::described::{read_any, read_variant};
use virtine_rt::codec::plain::{self, Changed, ChangedVisitor, Plain};

use super::elements::{Inline, OnHeap};
use super::failure::Failure;
use super::reader::{Reader, character, invalid, truth};

/// Reads the value by its tag, if it has one.
macro_rules! told {
    ($self:ident $visitor:ident) => {
        if $self.is_closed() {
            return read_any($self, $visitor);
        }
    };
}

/// Whether serde buffers what it reads, for enums without their own tag and for flattened fields. The buffer's type is
/// private, so it is recognized by its name. A wrong guess only grants fewer levels.
fn is_kept<T>() -> bool {
    type_name::<T>().contains("content::Content")
}

/// Converts the value to the requested type, which it has been found to have.
fn only<A: 'static, B>(value: A) -> Result<B, Box<Failure>> {
    match plain::identical(value) {
        Some(value) => Ok(value),
        None => invalid("the value is of another type"),
    }
}

impl Reader<'_, '_, '_> {
    fn changed<P: Plain>(&mut self) -> Result<Changed<P>, Box<Failure>> {
        Ok(match self.place_of::<P>()? {
            None => Changed::Here(self.values()?),
            Some(name) => Changed::There {
                length: name.length as usize / size_of::<P>(),
                address: name.address,
            },
        })
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'_, '_, 'de> {
    type Error = Box<Failure>;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), Box<Failure>> {
        if self.described {
            let variant = seed.deserialize(&mut *self)?;
            return Ok((variant, self));
        }
        let index = u32::from_le_bytes(self.array()?);
        let variant: Result<_, Box<Failure>> = seed.deserialize(index.into_deserializer());
        Ok((variant?, self))
    }
}

/// The contents of a variant are on the level of the enum.
impl<'de> VariantAccess<'de> for &mut Reader<'_, '_, 'de> {
    type Error = Box<Failure>;

    fn unit_variant(self) -> Result<(), Box<Failure>> {
        match self.described {
            true => <()>::deserialize(self),
            false => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, Box<Failure>> {
        self.place(size_of::<S::Value>());
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        visitor.visit_seq(Inline::new(self, length))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        visitor.visit_seq(Inline::new(self, fields.len()))
    }
}

/// Numbers: as many bytes as their width, little-endian.
macro_rules! numbers {
    ($($deserialize:ident $visit:ident $type:ty,)*) => {
        $(fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
            told!(self visitor);
            self.enter::<V::Value>()?;
            visitor.$visit(<$type>::from_le_bytes(self.array()?))
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'_, '_, 'de> {
    type Error = Box<Failure>;

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

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        self.enter::<V::Value>()?;
        visitor.visit_bool(truth(self.array()?)?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        self.enter::<V::Value>()?;
        visitor.visit_char(character(self.array()?)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        self.enter_collection::<V::Value>()?;
        match self.any_text()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        self.enter_collection::<V::Value>()?;
        visitor.visit_string(self.owned_text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        self.enter_collection::<V::Value>()?;
        visitor.visit_byte_buf(self.values()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        self.enter::<V::Value>()?;
        match self.array()? {
            [0] => visitor.visit_none(),
            [1] => self.nested(|reader| visitor.visit_some(reader)),
            _ => invalid("an Option is neither 0 nor 1"),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        self.enter::<V::Value>()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        self.enter::<V::Value>()?;
        self.nested(|reader| visitor.visit_newtype_struct(reader))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        self.enter_collection::<V::Value>()?;
        macro_rules! try_each {
            ($($type:ident)*) => {$(
                if plain::is_vec_visitor::<V, $type>() && !self.described {
                    return only(self.values::<$type>()?);
                }
                if plain::same::<V, ChangedVisitor<$type>>() && !self.described {
                    return only(self.changed::<$type>()?);
                }
            )*};
        }
        plain::plain_types!(try_each);
        let (count, name) = self.length()?;
        let Some(name) = name else {
            return self.nested(|reader| visitor.visit_seq(OnHeap::new(reader, count)));
        };
        let bytes = self.copied(name)?;
        self.nested(|reader| {
            reader.within(bytes, |reader| {
                visitor.visit_seq(OnHeap::of_leaves(reader, count))
            })
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        self.enter::<V::Value>()?;
        self.nested(|reader| visitor.visit_seq(Inline::new(reader, length)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        told!(self visitor);
        self.enter_collection::<V::Value>()?;
        match self.length()? {
            (count, None) => self.nested(|reader| visitor.visit_map(OnHeap::new(reader, count))),
            _ => invalid("the entries of a map are elsewhere"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        if self.is_closed() {
            return read_variant(self, visitor);
        }
        self.enter::<V::Value>()?;
        self.nested(|reader| visitor.visit_enum(reader))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        match self.is_closed() {
            true if is_kept::<V::Value>() => self.kept(|reader| read_any(reader, visitor)),
            true => read_any(self, visitor),
            false => Err(Box::new(Failure::Undescribed)),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Failure>> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
