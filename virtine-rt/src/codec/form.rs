//! How types travel for which serde has nothing: arrays of any length, `Ordering`, and what holds them.
//!
//! A type's *form* is put together as the type is, with [`Own`] for all that serde knows by itself:
//! `Option<Vec<[u8; 64]>>` has the form `Optional<List<Array<Own>>>`. `#[virtine]` and `virtine-build` derive it
//! from the type as it is written, each for its side. What goes over is what serde's own implementations, where
//! there are any, would send.
//!
//! `serde_with` has the same idea, with more forms than this needs and 30 more packages in each user's
//! Cargo.lock.

use alloc_crate::boxed::Box;
use alloc_crate::vec::Vec;
use core::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod array;
mod ordering;
mod reference;

pub use array::Array;
pub use ordering::Ordered;
pub use reference::Borrowed;

/// Encodes values of type `T` as this form says.
pub trait EncodeAs<T: ?Sized> {
    /// Serialises `value`.
    ///
    /// # Errors
    ///
    /// The serializer's own.
    fn encode<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>;
}

/// Decodes values of type `T` as this form says.
pub trait DecodeAs<'de, T> {
    /// Deserialises a value.
    ///
    /// # Errors
    ///
    /// The deserializer's own.
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>;
}

/// A value to decode in the form `F`.
pub struct As<F, T>(pub T, PhantomData<F>);

/// A value to encode in the form `F`.
pub struct AsRef<'a, F, T: ?Sized>(&'a T, PhantomData<F>);

impl<'a, F, T: ?Sized> AsRef<'a, F, T> {
    /// Has `value` travel in the form `F`.
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

/// Serde's own.
pub struct Own;

impl<T: Serialize + ?Sized> EncodeAs<T> for Own {
    fn encode<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> DecodeAs<'de, T> for Own {
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

/// Tuples have tuples of forms.
macro_rules! tuples {
    ($($($form:ident $type:ident $index:tt)+;)*) => {$(
        impl<$($type, $form: EncodeAs<$type>),+> EncodeAs<($($type,)+)> for ($($form,)+) {
            fn encode<S: Serializer>(value: &($($type,)+), serializer: S) -> Result<S::Ok, S::Error> {
                ($(AsRef::<$form, $type>::new(&value.$index),)+).serialize(serializer)
            }
        }

        impl<'de, $($type, $form: DecodeAs<'de, $type>),+> DecodeAs<'de, ($($type,)+)> for ($($form,)+) {
            fn decode<De: Deserializer<'de>>(deserializer: De) -> Result<($($type,)+), De::Error> {
                let value = <($(As<$form, $type>,)+)>::deserialize(deserializer)?;
                Ok(($(value.$index.0,)+))
            }
        }
    )*};
}

tuples! {
    F0 T0 0;
    F0 T0 0 F1 T1 1;
    F0 T0 0 F1 T1 1 F2 T2 2;
    F0 T0 0 F1 T1 1 F2 T2 2 F3 T3 3;
    F0 T0 0 F1 T1 1 F2 T2 2 F3 T3 3 F4 T4 4;
    F0 T0 0 F1 T1 1 F2 T2 2 F3 T3 3 F4 T4 4 F5 T5 5;
    F0 T0 0 F1 T1 1 F2 T2 2 F3 T3 3 F4 T4 4 F5 T5 5 F6 T6 6;
    F0 T0 0 F1 T1 1 F2 T2 2 F3 T3 3 F4 T4 4 F5 T5 5 F6 T6 6 F7 T7 7;
}

#[cfg(test)]
mod tests {
    use alloc_crate::string::String;
    use alloc_crate::vec;
    use core::cmp::Ordering;
    use core::fmt;

    use super::super::{Decoder, encode};
    use super::*;

    fn travels<F, T>(value: &T) -> Vec<u8>
    where
        F: EncodeAs<T> + for<'de> DecodeAs<'de, T>,
        T: PartialEq + fmt::Debug,
    {
        let mut bytes = Vec::new();
        encode(&AsRef::<F, T>::new(value), &mut bytes).expect("a Vec takes all");
        let trusted: As<F, T> = Decoder::new(&bytes).take().expect("trusted");
        assert_eq!(&trusted.0, value);
        bytes
    }

    #[test]
    fn forms_hold_one_another() {
        let boards = Some(vec![[[1_u16; 40]; 33], [[2; 40]; 33]]);
        travels::<Optional<List<Array<Array<Own>>>>, _>(&boards);
        travels::<(Ordered, Own), _>(&(Ordering::Less, String::from("less")));
        type Compared = Result<Option<Ordering>, [u8; 50]>;
        for compared in [Ok(Some(Ordering::Greater)), Ok(None), Err([7; 50])] {
            travels::<Fallible<Optional<Ordered>, Array<Own>>, Compared>(&compared);
        }
        let boxed: Box<[Box<[u8; 64]>]> = Box::new([Box::new([3; 64])]);
        travels::<List<Boxed<Array<Own>>>, _>(&boxed);
    }

    #[test]
    fn what_goes_over_is_what_serde_would_send() {
        let value = (vec![Some(1_u32), None], Box::new([1_u8, 2, 3]));
        let mut bytes = Vec::new();
        encode(&value, &mut bytes).expect("a Vec takes all");
        let formed = travels::<(List<Optional<Own>>, Boxed<Array<Own>>), _>(&value);
        assert_eq!(bytes, formed);
    }
}
