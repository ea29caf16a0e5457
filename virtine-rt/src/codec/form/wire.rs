//! Values in a given form.

use core::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Encodes values of type `T` in this form.
pub trait EncodeAs<T: ?Sized> {
    /// Serializes `value`.
    ///
    /// # Errors
    ///
    /// Errors of the serializer.
    fn encode<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>;
}

/// Decodes values of type `T` in this form.
pub trait DecodeAs<'de, T> {
    /// Deserializes a value.
    ///
    /// # Errors
    ///
    /// Errors of the deserializer.
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>;
}

/// A value to decode in the form `F`.
pub struct As<F, T>(pub T, pub(super) PhantomData<F>);

/// A value to encode in the form `F`.
pub struct AsRef<'a, F, T: ?Sized>(&'a T, PhantomData<F>);

impl<'a, F, T: ?Sized> AsRef<'a, F, T> {
    /// Wraps `value`, so that it is encoded in the form `F`.
    pub const fn new(value: &'a T) -> Self {
        Self(value, PhantomData)
    }
}

impl<F: EncodeAs<T>, T: ?Sized> Serialize for AsRef<'_, F, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        F::encode(self.0, serializer)
    }
}

impl<'de, F: DecodeAs<'de, T>, T> Deserialize<'de> for As<F, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        F::decode(deserializer).map(|value| Self(value, PhantomData))
    }
}
