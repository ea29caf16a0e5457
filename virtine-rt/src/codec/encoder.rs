//! The serde implementation that encodes values.

use alloc_crate::string::ToString as _;
use core::fmt;

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::described::{Encoding, tag};
use super::error::CodecError;
use super::numbers::CONFIG;
use super::plain;
use super::row::Row;
use super::sink::{ALIGNMENT, AS_THEY_LIE, ELSEWHERE, Sink};

/// Shorter runs are not worth a lookup elsewhere by the host.
const WORTH_NAMING: usize = 64;

/// Appends the encoded forms of values to a sink.
pub(super) struct Encoder<'a, S> {
    sink: &'a mut S,
    /// Bytes written so far.
    position: usize,
    /// Whether each value has a tag.
    described: bool,
    /// The next value belongs to a type whose encoding runs no user code, so its memory does not change.
    settled: bool,
}

impl ser::Error for CodecError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::Invalid(reason.to_string())
    }
}

struct Leaf<'e, 'a, S>(&'e mut Encoder<'a, S>);

impl<S: Sink> bincode::enc::write::Writer for Leaf<'_, '_, S> {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0
            .write(bytes)
            .map_err(|_| bincode::error::EncodeError::UnexpectedEnd)
    }
}

impl<'a, S: Sink> Encoder<'a, S> {
    pub(super) fn new(sink: &'a mut S, encoding: Encoding) -> Self {
        let position = sink.position();
        Self {
            sink,
            position,
            described: encoding == Encoding::Described,
            settled: false,
        }
    }

    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        self.position += bytes.len();
        match self.sink.write(bytes) {
            true => Ok(()),
            false => Err(CodecError::Full),
        }
    }

    /// Writes the tag of the next value, if values are described.
    #[inline(always)]
    fn tag(&mut self, tag: u8) -> Result<(), CodecError> {
        match self.described {
            true => self.write(&[tag]),
            false => Ok(()),
        }
    }

    /// Writes which variant follows.
    #[inline]
    fn variant(&mut self, index: u32, name: &'static str) -> Result<(), CodecError> {
        match self.described {
            true => {
                self.tag(tag::VARIANT)?;
                self.text(name)
            }
            false => self.number(index),
        }
    }

    /// Writes how many parts of a tuple follow.
    #[inline]
    fn parts(&mut self, length: usize) -> Result<(), CodecError> {
        match self.described {
            true => {
                self.tag(tag::SEQUENCE)?;
                self.length(length)
            }
            false => Ok(()),
        }
    }

    #[inline]
    fn text(&mut self, text: &str) -> Result<(), CodecError> {
        self.tag(tag::TEXT)?;
        let bytes = text.as_bytes();
        let worth_naming = self.settled && bytes.len() >= WORTH_NAMING && self.sink.keeps(bytes);
        if worth_naming || self.sink.holds_for_good(bytes) {
            self.number(bytes.len() as u64 | ELSEWHERE)?;
            return self.name(bytes);
        }
        self.length(bytes.len())?;
        self.write(bytes)
    }

    #[inline(always)]
    fn number(&mut self, number: impl bincode::Encode) -> Result<(), CodecError> {
        // A number can only fail if the sink refuses it.
        bincode::encode_into_writer(number, Leaf(self), CONFIG).map_err(|_| CodecError::Full)
    }

    /// Pads to an address at which any plain value may lie.
    fn align(&mut self) -> Result<(), CodecError> {
        if !S::ALIGNED || self.described {
            return Ok(());
        }
        let missing = self.position.next_multiple_of(ALIGNMENT) - self.position;
        self.write([0; ALIGNMENT].get(..missing).unwrap_or_default())
    }

    /// Writes a sequence of `count` elements whose encoded form is `bytes`. `mark` says more about them.
    fn run(&mut self, count: usize, bytes: &[u8], mark: u64) -> Result<(), CodecError> {
        if bytes.len() >= WORTH_NAMING && self.settled && self.sink.keeps(bytes) {
            self.number(count as u64 | ELSEWHERE)?;
            return self.name(bytes);
        }
        self.number(count as u64 | mark)?;
        if count == 0 {
            return Ok(());
        }
        self.align()?;
        self.write(bytes)
    }

    fn name(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        self.number(bytes.as_ptr().addr() as u64)?;
        self.number(bytes.len() as u64)
    }

    /// Writes how many elements follow.
    fn length(&mut self, length: usize) -> Result<(), CodecError> {
        self.number(length as u64)
    }

    /// Starts a sequence or map. A length that is not known yet is filled in at the end.
    fn elements(&mut self, length: Option<usize>) -> Result<Elements<'_, 'a, S>, CodecError> {
        let position = self.position;
        self.length(length.unwrap_or(0))?;
        Ok(Elements {
            encoder: self,
            position,
            told: length,
            count: 0,
            aligned: false,
        })
    }

    #[inline]
    pub(super) fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        match plain::leaf(value) {
            Some(bytes) if !self.described => self.write(bytes),
            _ => {
                self.settled = plain::is_settled::<T>();
                value.serialize(self)
            }
        }
    }

    /// The mark of a run whose elements are encoded as they lie in memory.
    const fn mark() -> u64 {
        match S::ALIGNED {
            true => AS_THEY_LIE,
            false => 0,
        }
    }
}

/// Elements of a sequence or map.
pub(super) struct Elements<'e, 'a, S> {
    encoder: &'e mut Encoder<'a, S>,
    /// Position of their number.
    position: usize,
    /// The number that was written.
    told: Option<usize>,
    /// The number so far.
    count: usize,
    aligned: bool,
}

impl<S: Sink> Elements<'_, '_, S> {
    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        if !self.aligned {
            self.encoder.align()?;
            self.aligned = true;
        }
        self.count += 1;
        self.encoder.value(value)
    }

    /// Writes the first elements, which lie in memory as they are encoded.
    fn row(&mut self, row: &Row) -> Result<(), CodecError> {
        if row.count() > 0 {
            self.encoder.align()?;
            self.aligned = true;
            self.count = row.count();
        }
        self.encoder.write(row.bytes())
    }

    fn end(self) -> Result<(), CodecError> {
        if self.told != Some(self.count) {
            let count = (self.count as u64).to_le_bytes();
            self.encoder.sink.patch(self.position, &count);
        }
        Ok(())
    }
}

macro_rules! numbers {
    ($($serialize:ident $type:ty = $tag:ident,)*) => {
        $(#[inline]
        fn $serialize(self, value: $type) -> Result<(), CodecError> {
            self.tag(tag::$tag)?;
            self.number(value)
        })*
    };
}

impl<'e, 'a, S: Sink> Serializer for &'e mut Encoder<'a, S> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Elements<'e, 'a, S>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Elements<'e, 'a, S>;
    type SerializeStruct = Fields<'e, 'a, S>;
    type SerializeStructVariant = Fields<'e, 'a, S>;

    numbers! {
        serialize_bool bool = BOOL,
        serialize_i8 i8 = I8,
        serialize_i16 i16 = I16,
        serialize_i32 i32 = I32,
        serialize_i64 i64 = I64,
        serialize_i128 i128 = I128,
        serialize_u8 u8 = U8,
        serialize_u16 u16 = U16,
        serialize_u32 u32 = U32,
        serialize_u64 u64 = U64,
        serialize_u128 u128 = U128,
        serialize_f32 f32 = F32,
        serialize_f64 f64 = F64,
    }

    /// As wide as in memory, unlike bincode's encoding.
    #[inline]
    fn serialize_char(self, value: char) -> Result<(), CodecError> {
        self.tag(tag::CHAR)?;
        self.number(u32::from(value))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), CodecError> {
        self.text(text)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), CodecError> {
        self.tag(tag::BYTES)?;
        self.run(bytes.len(), bytes, 0)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), CodecError> {
        self.tag(tag::OPTION)?;
        self.number(0_u8)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CodecError> {
        self.tag(tag::OPTION)?;
        self.number(1_u8)?;
        self.value(value)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), CodecError> {
        self.tag(tag::UNIT)
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CodecError> {
        self.tag(tag::UNIT)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
    ) -> Result<(), CodecError> {
        self.variant(index, name)?;
        self.tag(tag::UNIT)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        self.value(value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        self.variant(index, name)?;
        self.value(value)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, CodecError> {
        self.tag(tag::SEQUENCE)?;
        self.elements(length)
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Self, CodecError> {
        self.parts(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Self, CodecError> {
        self.parts(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        length: usize,
    ) -> Result<Self, CodecError> {
        self.variant(index, name)?;
        self.parts(length)?;
        Ok(self)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, CodecError> {
        self.tag(tag::MAP)?;
        self.elements(length)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'e, 'a, S>, CodecError> {
        Fields::of(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Fields<'e, 'a, S>, CodecError> {
        self.variant(index, name)?;
        Fields::of(self)
    }

    /// Like serde's default, for `Vec` and others, but aware of where the elements lie.
    fn collect_seq<I>(self, elements: I) -> Result<(), CodecError>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let mut items = elements.into_iter();
        if self.described {
            let mut elements = self.serialize_seq(exact(items.size_hint()))?;
            for item in items {
                elements.element(&item)?;
            }
            return elements.end();
        }
        if let Some((count, bytes)) = plain::run_of(&items) {
            return self.run(count, bytes, Encoder::<S>::mark());
        }
        let told = exact(items.size_hint());
        let mut row = Row::new();
        let Some(other) = items.find(|item| !row.continues_with(item)) else {
            // Each item refers to where it lies, so it was not created for encoding.
            self.settled = true;
            return self.run(row.count(), row.bytes(), Encoder::<S>::mark());
        };
        let mut elements = self.elements(told)?;
        elements.row(&row)?;
        elements.element(&other)?;
        for item in items {
            elements.element(&item)?;
        }
        elements.end()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The exact number, if it is known.
fn exact((least, most): (usize, Option<usize>)) -> Option<usize> {
    most.filter(|most| *most == least)
}

impl<S: Sink> SerializeSeq for Elements<'_, '_, S> {
    type Ok = ();
    type Error = CodecError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.element(value)
    }

    fn end(self) -> Result<(), CodecError> {
        Self::end(self)
    }
}

impl<S: Sink> SerializeMap for Elements<'_, '_, S> {
    type Ok = ();
    type Error = CodecError;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        self.count += 1;
        self.encoder.value(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.encoder.value(value)
    }

    fn end(self) -> Result<(), CodecError> {
        Self::end(self)
    }
}

/// Types with a fixed number of parts: only the parts, one after the other.
macro_rules! parts {
    ($($trait:ident $serialize:ident,)*) => {$(
        impl<S: Sink> $trait for &mut Encoder<'_, S> {
            type Ok = ();
            type Error = CodecError;

            #[inline]
            fn $serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
                self.value(value)
            }

            #[inline]
            fn end(self) -> Result<(), CodecError> {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

/// Fields of a struct: only their values, or a map from their names.
pub(super) struct Fields<'e, 'a, S> {
    encoder: &'e mut Encoder<'a, S>,
    /// Position of their number.
    position: usize,
    /// The number so far.
    count: u64,
}

impl<'e, 'a, S: Sink> Fields<'e, 'a, S> {
    #[inline]
    fn of(encoder: &'e mut Encoder<'a, S>) -> Result<Self, CodecError> {
        encoder.tag(tag::MAP)?;
        let position = encoder.position;
        if encoder.described {
            encoder.length(0)?;
        }
        Ok(Self {
            encoder,
            position,
            count: 0,
        })
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        if self.encoder.described {
            self.count += 1;
            self.encoder.text(name)?;
        }
        self.encoder.value(value)
    }

    /// A missing field can only be expressed by name.
    fn skip(&self) -> Result<(), CodecError> {
        match self.encoder.described {
            true => Ok(()),
            false => Err(CodecError::Undescribed),
        }
    }

    #[inline]
    fn end(self) -> Result<(), CodecError> {
        if self.encoder.described {
            let count = self.count.to_le_bytes();
            self.encoder.sink.patch(self.position, &count);
        }
        Ok(())
    }
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl<S: Sink> $trait for Fields<'_, '_, S> {
            type Ok = ();
            type Error = CodecError;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), CodecError> {
                self.field(name, value)
            }

            fn skip_field(&mut self, _: &'static str) -> Result<(), CodecError> {
                self.skip()
            }

            #[inline]
            fn end(self) -> Result<(), CodecError> {
                Self::end(self)
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }
