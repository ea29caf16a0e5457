//! Forms of types that contain other values: options, results, boxes, lists. Also serde's own form.

use alloc_crate::boxed::Box;
use alloc_crate::vec::Vec;
use core::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::wire::{As, AsRef, DecodeAs, EncodeAs};

/// Serde's own form.
pub struct SerdeForm;

impl<T: Serialize + ?Sized> EncodeAs<T> for SerdeForm {
    /// Encoded as a part, so that the serializer sees where the value lies.
    fn encode<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct("SerdeForm", value)
    }
}

impl<'de, T: Deserialize<'de>> DecodeAs<'de, T> for SerdeForm {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

/// `Option`.
pub struct Optional<F>(PhantomData<F>);

impl<T, F: EncodeAs<T>> EncodeAs<Option<T>> for Optional<F> {
    fn encode<S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        let value = value.as_ref().map(AsRef::<F, T>::new);
        value.serialize(serializer)
    }
}

impl<'de, T, F: DecodeAs<'de, T>> DecodeAs<'de, Option<T>> for Optional<F> {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        let value = Option::<As<F, T>>::deserialize(deserializer)?;
        Ok(value.map(|value| value.0))
    }
}

/// `Result`.
pub struct Fallible<F, G>(PhantomData<(F, G)>);

impl<T, E, F: EncodeAs<T>, G: EncodeAs<E>> EncodeAs<Result<T, E>> for Fallible<F, G> {
    fn encode<S: Serializer>(value: &Result<T, E>, serializer: S) -> Result<S::Ok, S::Error> {
        let value = value.as_ref();
        let value = value.map(AsRef::<F, T>::new).map_err(AsRef::<G, E>::new);
        value.serialize(serializer)
    }
}

impl<'de, T, E, F, G> DecodeAs<'de, Result<T, E>> for Fallible<F, G>
where
    F: DecodeAs<'de, T>,
    G: DecodeAs<'de, E>,
{
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<Result<T, E>, D::Error> {
        let value = Result::<As<F, T>, As<G, E>>::deserialize(deserializer)?;
        Ok(value.map(|value| value.0).map_err(|error| error.0))
    }
}

/// `Box` of one value.
pub struct Boxed<F>(PhantomData<F>);

impl<T, F: EncodeAs<T>> EncodeAs<Box<T>> for Boxed<F> {
    fn encode<S: Serializer>(value: &Box<T>, serializer: S) -> Result<S::Ok, S::Error> {
        F::encode(value, serializer)
    }
}

impl<'de, T, F: DecodeAs<'de, T>> DecodeAs<'de, Box<T>> for Boxed<F> {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<Box<T>, D::Error> {
        F::decode(deserializer).map(Box::new)
    }
}

/// `Vec`, slices, and boxes of them.
pub struct List<F>(PhantomData<F>);

impl<T, F: EncodeAs<T>> EncodeAs<[T]> for List<F> {
    fn encode<S: Serializer>(value: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(value.iter().map(AsRef::<F, T>::new))
    }
}

impl<T, F: EncodeAs<T>> EncodeAs<Vec<T>> for List<F> {
    fn encode<S: Serializer>(value: &Vec<T>, serializer: S) -> Result<S::Ok, S::Error> {
        <Self as EncodeAs<[T]>>::encode(value, serializer)
    }
}

impl<T, F: EncodeAs<T>> EncodeAs<Box<[T]>> for List<F> {
    fn encode<S: Serializer>(value: &Box<[T]>, serializer: S) -> Result<S::Ok, S::Error> {
        <Self as EncodeAs<[T]>>::encode(value, serializer)
    }
}

impl<'de, T, F: DecodeAs<'de, T>> DecodeAs<'de, Vec<T>> for List<F> {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        let values = Vec::<As<F, T>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|value| value.0).collect())
    }
}

impl<'de, T, F: DecodeAs<'de, T>> DecodeAs<'de, Box<[T]>> for List<F> {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<Box<[T]>, D::Error> {
        let values = <Self as DecodeAs<'de, Vec<T>>>::decode(deserializer)?;
        Ok(values.into_boxed_slice())
    }
}
