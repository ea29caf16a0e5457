//! A serializer that only finds out whether a value's encoded form is a run of its own memory.

use core::fmt;

use serde::ser::{
    Impossible, Serialize, SerializeStruct, SerializeTuple, SerializeTupleStruct, Serializer,
};

use super::plain;

/// The encoded form is not a run of the value's memory.
#[derive(Debug)]
pub(super) struct NotPlain;

impl fmt::Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not made of plain values alone")
    }
}

impl core::error::Error for NotPlain {}

impl serde::ser::Error for NotPlain {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// A run of memory that is, so far, the encoded form of the visited values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Footprint {
    start: *const u8,
    length: usize,
}

impl Footprint {
    /// The footprint of nothing.
    pub(super) const EMPTY: Self = Self {
        start: core::ptr::null(),
        length: 0,
    };

    /// Address and length in bytes.
    pub(super) const fn place(self) -> (*const u8, usize) {
        (self.start, self.length)
    }

    /// Continues with `value`. True if its encoded form is the memory directly after the run.
    #[inline]
    pub(super) fn continues_with<T: Serialize + ?Sized>(&mut self, value: &T) -> bool {
        self.look(value).is_ok()
    }

    #[inline]
    fn look<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotPlain> {
        let Some(bytes) = plain::leaf(value) else {
            return value.serialize(&mut *self);
        };
        if self.length == 0 {
            self.start = bytes.as_ptr();
        } else if self.start.wrapping_add(self.length) != bytes.as_ptr() {
            return Err(NotPlain);
        }
        self.length += bytes.len();
        Ok(())
    }
}

/// A value that is passed by value has no address.
macro_rules! by_value {
    ($($serialize:ident $type:ty,)*) => {
        $(fn $serialize(self, _: $type) -> Result<(), NotPlain> {
            Err(NotPlain)
        })*
    };
}

impl Serializer for &mut Footprint {
    type Ok = ();
    type Error = NotPlain;
    type SerializeSeq = Impossible<(), NotPlain>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Impossible<(), NotPlain>;
    type SerializeMap = Impossible<(), NotPlain>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), NotPlain>;

    by_value! {
        serialize_bool bool, serialize_char char, serialize_str &str, serialize_bytes &[u8],
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_u128 u128,
        serialize_f32 f32, serialize_f64 f64,
    }

    fn serialize_none(self) -> Result<(), NotPlain> {
        Err(NotPlain)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), NotPlain> {
        Err(NotPlain)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), NotPlain> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), NotPlain> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<(), NotPlain> {
        Err(NotPlain)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), NotPlain> {
        self.look(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), NotPlain> {
        Err(NotPlain)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, NotPlain> {
        Err(NotPlain)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, NotPlain> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, NotPlain> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, NotPlain> {
        Err(NotPlain)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, NotPlain> {
        Err(NotPlain)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, NotPlain> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, NotPlain> {
        Err(NotPlain)
    }

    fn collect_str<T: core::fmt::Display + ?Sized>(self, _: &T) -> Result<(), NotPlain> {
        Err(NotPlain)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl SerializeTuple for &mut Footprint {
    type Ok = ();
    type Error = NotPlain;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotPlain> {
        self.look(value)
    }

    #[inline]
    fn end(self) -> Result<(), NotPlain> {
        Ok(())
    }
}

impl SerializeTupleStruct for &mut Footprint {
    type Ok = ();
    type Error = NotPlain;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotPlain> {
        self.look(value)
    }

    #[inline]
    fn end(self) -> Result<(), NotPlain> {
        Ok(())
    }
}

impl SerializeStruct for &mut Footprint {
    type Ok = ();
    type Error = NotPlain;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        _: &'static str,
        value: &T,
    ) -> Result<(), NotPlain> {
        self.look(value)
    }

    fn skip_field(&mut self, _: &'static str) -> Result<(), NotPlain> {
        Err(NotPlain)
    }

    #[inline]
    fn end(self) -> Result<(), NotPlain> {
        Ok(())
    }
}
