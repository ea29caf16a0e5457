//! Values that contain only plain values, one after the other.
//!
//! They nest no deeper than their type, so neither levels nor stack need checking.

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::failure::Failure;
use super::reader::{Reader, character, invalid, truth};

/// Reads such a value.
///
/// The state that every plain value changes is here and not in the reader, where the compiler would not keep it in
/// registers.
pub(super) struct Leaves<'e, 'r, 'b, 's> {
    /// The remaining bytes.
    rest: &'e mut &'b [u8],
    /// Size in bytes of the value's place.
    place: usize,
    reader: &'e mut Reader<'r, 'b, 's>,
}

impl<'r, 'b, 's> Reader<'r, 'b, 's> {
    /// Reads a value that has its place and contains only plain values.
    #[inline]
    pub(super) fn leaves<S: DeserializeSeed<'s>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Box<Failure>> {
        let mut rest = self.rest;
        let value = seed.deserialize(Leaves {
            rest: &mut rest,
            place: size_of::<S::Value>(),
            reader: self,
        })?;
        self.rest = rest;
        Ok(value)
    }
}

impl Leaves<'_, '_, '_, '_> {
    /// Like [`Reader::enter`].
    #[inline(always)]
    fn enter<T>(&mut self) -> Result<(), Box<Failure>> {
        let size = size_of::<T>();
        if size > self.place {
            self.reader.place(self.place);
            self.reader.enter::<T>()?;
        }
        self.place = size;
        Ok(())
    }

    #[inline(always)]
    fn leaf<const N: usize>(&mut self) -> Result<[u8; N], Box<Failure>> {
        match self.rest.split_first_chunk() {
            Some((leaf, rest)) => {
                *self.rest = rest;
                Ok(*leaf)
            }
            None => invalid("the bytes end inside a value"),
        }
    }
}

macro_rules! numbers {
    ($($deserialize:ident $visit:ident $type:ty,)*) => {
        $(#[inline]
        fn $deserialize<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Box<Failure>> {
            self.enter::<V::Value>()?;
            visitor.$visit(<$type>::from_le_bytes(self.leaf()?))
        })*
    };
}

impl<'de> Deserializer<'de> for Leaves<'_, '_, '_, 'de> {
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

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Box<Failure>> {
        self.enter::<V::Value>()?;
        visitor.visit_bool(truth(self.leaf()?)?)
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Box<Failure>> {
        self.enter::<V::Value>()?;
        visitor.visit_char(character(self.leaf()?)?)
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Box<Failure>> {
        self.enter::<V::Value>()?;
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        self.enter::<V::Value>()?;
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        self.enter::<V::Value>()?;
        visitor.visit_seq(Parts {
            rest: self.rest,
            reader: self.reader,
            left: length,
        })
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Box<Failure>> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Box<Failure>> {
        invalid("a run holds something else than plain values")
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf option seq map enum identifier ignored_any
    }
}

/// A number of consecutive values, in the place of the value that contains them.
struct Parts<'e, 'r, 'b, 's> {
    rest: &'e mut &'b [u8],
    reader: &'e mut Reader<'r, 'b, 's>,
    left: usize,
}

impl<'s> SeqAccess<'s> for Parts<'_, '_, '_, 's> {
    type Error = Box<Failure>;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'s>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Box<Failure>> {
        match self.left.checked_sub(1) {
            None => Ok(None),
            Some(left) => {
                self.left = left;
                seed.deserialize(Leaves {
                    rest: &mut *self.rest,
                    place: size_of::<S::Value>(),
                    reader: &mut *self.reader,
                })
                .map(Some)
            }
        }
    }
}
