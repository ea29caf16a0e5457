//! Plain values: numbers, `bool` and `char`, whose bytes in memory are their encoded form.
//!
//! This is the only file of the codec that views values as bytes and creates values from bytes. It distinguishes types
//! by their identity (`typeid`, which unlike `TypeId::of` accepts borrowing types), never by name.

use alloc_crate::borrow::Cow;
use alloc_crate::boxed::Box;
use alloc_crate::string::String;
use alloc_crate::vec::Vec;
use core::any::TypeId;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{self, ManuallyDrop, MaybeUninit};
use core::slice;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// A type whose values are exactly their bytes, without padding.
///
/// # Safety
///
/// The type has no padding, no bytes that may be uninitialised, and each run of bytes that
/// [`Plain::are_values`] accepts is a value of it.
pub unsafe trait Plain: Copy + 'static {
    /// Whether all bytes are values.
    const ANY: bool = true;

    /// Whether these bytes, a whole number of values, are values of the type.
    #[must_use]
    fn are_values(bytes: &[u8]) -> bool {
        let _ = bytes;
        true
    }
}

/// Passes the list of plain types to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_plain_types {
    ($with:ident) => {
        $with! { u8 i8 u16 i16 u32 i32 u64 i64 u128 i128 usize isize f32 f64 bool char }
    };
}
pub use __virtine_plain_types as plain_types;

macro_rules! numbers {
    ($($type:ident)*) => {$(
        // SAFETY: every run of bytes of this width is such a number, and it has no padding.
        unsafe impl Plain for $type {}
    )*};
}

numbers! { u8 i8 u16 i16 u32 i32 u64 i64 u128 i128 usize isize f32 f64 }

// SAFETY: one byte, which is 0 or 1 (Reference, "Boolean type").
unsafe impl Plain for bool {
    const ANY: bool = false;

    fn are_values(bytes: &[u8]) -> bool {
        // This visits all of them, without stopping early, because the compiler vectorizes that.
        bytes.iter().fold(0, |all, byte| all | byte) <= 1
    }
}

// SAFETY: four bytes, which are a Unicode scalar value (Reference, "Textual types").
unsafe impl Plain for char {
    const ANY: bool = false;

    fn are_values(bytes: &[u8]) -> bool {
        let (words, _) = bytes.as_chunks::<4>();
        let mut words = words.iter();
        words.all(|word| char::from_u32(u32::from_le_bytes(*word)).is_some())
    }
}

/// Whether two types are the same, ignoring lifetimes.
#[inline(always)]
#[must_use]
pub fn same<A: ?Sized, B: ?Sized>() -> bool {
    typeid::of::<A>() == typeid::of::<B>()
}

/// Converts the value to type `B`, if that is its type.
#[inline(always)]
pub fn identical<A: 'static, B>(value: A) -> Option<B> {
    same::<A, B>().then(|| {
        let value = ManuallyDrop::new(value);
        // SAFETY: the types are the same, and `A` has no lifetimes in which they could differ; the original is never
        // dropped.
        unsafe { mem::transmute_copy::<A, B>(&value) }
    })
}

/// The bytes of plain values.
#[inline(always)]
fn bytes_of<P: Plain>(values: &[P]) -> &[u8] {
    // SAFETY: plain values are initialised bytes throughout, and live as long as the borrow.
    unsafe { slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// The bytes of a value that is plain, or that refers to one that is.
#[inline(always)]
pub(super) fn leaf<T: ?Sized>(value: &T) -> Option<&[u8]> {
    macro_rules! try_each {
        ($($type:ident)*) => {$(
            if same::<T, $type>() {
                // SAFETY: it is the value's type.
                let value = unsafe { &*(&raw const *value).cast::<$type>() };
                return Some(bytes_of(slice::from_ref(value)));
            }
            if same::<T, &$type>() {
                // SAFETY: it is the value's type, except that the value it refers to is only known to live as long as
                // the borrow.
                let value = unsafe { *(&raw const *value).cast::<&$type>() };
                return Some(bytes_of(slice::from_ref(value)));
            }
        )*};
    }
    plain_types!(try_each);
    None
}

/// The bytes of all values that an iterator over a slice of plain values has yet to yield, and the number of these
/// values.
#[inline(always)]
pub(super) fn run_of<I>(elements: &I) -> Option<(usize, &[u8])> {
    macro_rules! try_each {
        ($($type:ident)*) => {$(
            if same::<I, slice::Iter<'_, $type>>() {
                // SAFETY: it is the iterator's type, except that its slice is only known to live as long as the borrow.
                let elements = unsafe { &*(&raw const *elements).cast::<slice::Iter<'_, $type>>() };
                let elements = elements.as_slice();
                return Some((elements.len(), bytes_of(elements)));
            }
        )*};
    }
    plain_types!(try_each);
    None
}

/// Appends the values with these bytes, which need not be aligned. Returns `false`, and does nothing, if they are not
/// values.
#[must_use]
pub fn extend<P: Plain>(values: &mut Vec<P>, bytes: &[u8]) -> bool {
    let count = bytes.len() / size_of::<P>();
    if !bytes.len().is_multiple_of(size_of::<P>()) || !P::are_values(bytes) {
        return false;
    }
    values.reserve(count);
    let place = values.spare_capacity_mut().as_mut_ptr().cast::<u8>();
    // SAFETY: there is room for this many values, and it does not overlap `bytes`.
    unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    // SAFETY: `are_values` has vouched for the bytes just copied.
    unsafe { values.set_len(values.len() + count) };
    true
}

/// Appends `count` values that `copy` writes in place and returns. Returns `false`, and appends nothing, if `copy`
/// returns none, or if the bytes are not values.
#[must_use]
pub fn extend_with<P: Plain>(
    values: &mut Vec<P>,
    count: usize,
    copy: impl FnOnce(&mut [MaybeUninit<u8>]) -> Option<&mut [u8]>,
) -> bool {
    values.reserve(count);
    let place = values.spare_capacity_mut().as_mut_ptr();
    // SAFETY: there is room for this many values, and uninitialized memory may hold anything.
    let place: &mut [MaybeUninit<u8>] =
        unsafe { slice::from_raw_parts_mut(place.cast(), count * size_of::<P>()) };
    let (start, length) = (place.as_ptr().cast::<u8>(), place.len());
    // The returned bytes are initialized, so if they are the whole place, the whole place is.
    let is_copied = copy(place).is_some_and(|copied| {
        copied.as_ptr() == start && copied.len() == length && P::are_values(copied)
    });
    if is_copied {
        // SAFETY: `are_values` has vouched for the bytes just copied.
        unsafe { values.set_len(values.len() + count) };
    }
    is_copied
}

/// Overwrites `values` with the bytes that `copy` returns for each offset. Returns `false`, possibly with some values
/// changed, if `copy` returns none, the bytes are not values, or `T` is not plain.
#[must_use]
pub fn overwrite<T>(
    values: &mut [T],
    mut copy: impl FnMut(usize, &mut [u8]) -> Option<()>,
) -> bool {
    macro_rules! try_each {
        ($($type:ident)*) => {$(
            if same::<T, $type>() {
                // SAFETY: it is the values' type, and they are borrowed mutably.
                let values = unsafe {
                    slice::from_raw_parts_mut(values.as_mut_ptr().cast::<$type>(), values.len())
                };
                return overwrite_plain(values, &mut copy);
            }
        )*};
    }
    plain_types!(try_each);
    false
}

fn overwrite_plain<P: Plain>(
    values: &mut [P],
    copy: &mut impl FnMut(usize, &mut [u8]) -> Option<()>,
) -> bool {
    /// How many bytes are checked at a time before they are used as values.
    const PIECE: usize = 4096;
    if P::ANY {
        let (start, length) = (values.as_mut_ptr(), size_of_val(values));
        // SAFETY: plain values are initialised bytes throughout, and any bytes are such values.
        let bytes = unsafe { slice::from_raw_parts_mut(start.cast::<u8>(), length) };
        return copy(0, bytes).is_some();
    }
    let mut offset = 0;
    for piece in values.chunks_mut(PIECE) {
        let mut copied = Vec::new();
        let length = size_of_val(piece);
        copied.resize(length, 0);
        let mut found = Vec::new();
        if copy(offset, &mut copied).is_none() || !extend(&mut found, &copied) {
            return false;
        }
        piece.copy_from_slice(&found);
        offset += length;
    }
    true
}

/// The values at `bytes`, which a trusted peer has encoded as they lay in its memory.
///
/// # Safety
///
/// The peer has a `T` of the same layout, and these are the bytes of `count` of them.
#[inline]
pub(super) unsafe fn in_place<T>(bytes: &[u8], count: usize) -> Option<&[T]> {
    if count == 0 {
        return Some(&[]);
    }
    let fits = count.checked_mul(size_of::<T>()) == Some(bytes.len()) && size_of::<T>() > 0;
    let place = bytes.as_ptr().cast::<T>();
    // SAFETY: they are aligned, of the right length, and values of this type, according to the caller.
    (fits && place.is_aligned()).then(|| unsafe { slice::from_raw_parts(place, count) })
}

/// Whether a value of this type holds its string or run of plain values in memory as it is encoded, without calling
/// user code, and leaves it there.
#[inline(always)]
pub(super) fn is_settled<T: ?Sized>() -> bool {
    macro_rules! any_of {
        ($($type:ty)*) => { false $(|| same::<T, $type>() || same::<T, &$type>() || same::<T, &&$type>())* };
    }
    macro_rules! runs {
        ($($type:ident)*) => { any_of!($(Vec<$type> [$type] Box<[$type]>)*) };
    }
    any_of!(String str Box<str> Cow<'_, str>) || plain_types!(runs)
}

/// Whether `V` is serde's own visitor for a `Vec<P>`, which does nothing with the elements but store them.
#[inline(always)]
#[must_use]
pub fn is_vec_visitor<V, P: for<'de> Deserialize<'de>>() -> bool {
    typeid::of::<V>() == vec_visitor::<P>()
}

/// The identity of the visitor, found by letting a `Vec` pass it here.
#[inline(always)]
fn vec_visitor<P: for<'de> Deserialize<'de>>() -> TypeId {
    match Vec::<P>::deserialize(Spy) {
        Err(Seen(visitor)) => visitor,
        Ok(_) => TypeId::of::<Spy>(),
    }
}

/// A deserializer that only inspects its visitor.
struct Spy;

/// The visitor's identity.
#[derive(Debug)]
struct Seen(TypeId);

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a visitor was seen")
    }
}

impl core::error::Error for Seen {}

impl de::Error for Seen {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(TypeId::of::<Spy>())
    }
}

impl<'de> Deserializer<'de> for Spy {
    type Error = Seen;

    #[inline(always)]
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Seen> {
        Err(Seen(typeid::of::<V>()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A changed slice argument: its elements, or where in the guest's memory they lie unencoded.
#[derive(Debug)]
pub enum Changed<T> {
    /// The elements.
    Here(Vec<T>),
    /// Their number, and the address of the first.
    There {
        /// How many elements.
        length: usize,
        /// A guest address.
        address: u64,
    },
}

impl<T> Changed<T> {
    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Here(elements) => elements.len(),
            Self::There { length, .. } => *length,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Visits the elements of a [`Changed`]. A deserializer that knows the guest's memory and this visitor bypasses it.
pub struct ChangedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Changed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ChangedVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ChangedVisitor<T> {
    type Value = Changed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, elements: A) -> Result<Changed<T>, A::Error> {
        let elements = Vec::deserialize(de::value::SeqAccessDeserializer::new(elements))?;
        Ok(Changed::Here(elements))
    }
}
