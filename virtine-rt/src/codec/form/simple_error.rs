//! Errors of std that say one of a few things, and that serde does not support.

use core::char::{CharTryFromError, ParseCharError};
use core::fmt;
use core::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6,
};
use core::num::{NonZeroU8, ParseFloatError, ParseIntError, TryFromIntError};
use core::str::{FromStr, ParseBoolError};

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

use super::wire::{DecodeAs, EncodeAs};

/// Such an error: its place among the errors of its type, in one byte. Std has no constructors for them, so they are
/// made by mistakes.
pub struct SimpleError;

/// A type of errors of which there are few.
pub trait Few: PartialEq + Sized {
    /// All of them. Their order is the same on both sides, which the same compiler builds.
    fn all() -> impl Iterator<Item = Self>;
}

impl<T: Few> EncodeAs<T> for SimpleError {
    fn encode<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        let place = (0..).zip(T::all()).find(|(_, one)| one == value);
        let (place, _) = place.ok_or_else(|| S::Error::custom("this error of std is not known"))?;
        serializer.serialize_u8(place)
    }
}

impl<'de, T: Few> DecodeAs<'de, T> for SimpleError {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let place = u8::deserialize(deserializer)?;
        let found = T::all().nth(place.into());
        found.ok_or_else(|| D::Error::custom("there is no such error of std"))
    }
}

/// The errors of parsing these texts.
fn mistakes<T: FromStr, const N: usize>(texts: [&'static str; N]) -> impl Iterator<Item = T::Err> {
    texts.into_iter().filter_map(|text| text.parse::<T>().err())
}

impl Few for ParseIntError {
    fn all() -> impl Iterator<Item = Self> {
        mistakes::<i8, _>(["", "x", "128", "-129"]).chain(mistakes::<NonZeroU8, _>(["0"]))
    }
}

impl Few for ParseFloatError {
    fn all() -> impl Iterator<Item = Self> {
        mistakes::<f32, _>(["", "x"])
    }
}

impl Few for ParseBoolError {
    fn all() -> impl Iterator<Item = Self> {
        mistakes::<bool, _>([""])
    }
}

impl Few for ParseCharError {
    fn all() -> impl Iterator<Item = Self> {
        mistakes::<char, _>(["", "xx"])
    }
}

impl Few for CharTryFromError {
    fn all() -> impl Iterator<Item = Self> {
        char::try_from(u32::MAX).err().into_iter()
    }
}

impl Few for TryFromIntError {
    fn all() -> impl Iterator<Item = Self> {
        u8::try_from(-1).err().into_iter()
    }
}

impl Few for AddrParseError {
    fn all() -> impl Iterator<Item = Self> {
        mistakes::<IpAddr, _>([""])
            .chain(mistakes::<Ipv4Addr, _>([""]))
            .chain(mistakes::<Ipv6Addr, _>([""]))
            .chain(mistakes::<SocketAddr, _>([""]))
            .chain(mistakes::<SocketAddrV4, _>([""]))
            .chain(mistakes::<SocketAddrV6, _>([""]))
    }
}

impl Few for fmt::Error {
    fn all() -> impl Iterator<Item = Self> {
        [Self].into_iter()
    }
}

#[cfg(test)]
mod tests {
    use core::num::IntErrorKind;

    use alloc_crate::vec::Vec;

    use super::super::super::{Decoder, encode};
    use super::super::{As, AsRef};
    use super::*;

    fn come_back<T: Few + fmt::Debug>(count: usize) {
        assert_eq!(T::all().count(), count);
        for error in T::all() {
            let mut bytes = Vec::new();
            encode(&AsRef::<SimpleError, _>::new(&error), &mut bytes).expect("a Vec takes all");
            let decoded = Decoder::new(&bytes).take::<As<SimpleError, T>>();
            assert_eq!(decoded.expect("an error").0, error);
        }
        let other = Decoder::new(&[count as u8]).take::<As<SimpleError, T>>();
        assert!(other.is_err());
    }

    #[test]
    fn each_error_comes_back_and_nothing_else_is_one() {
        come_back::<ParseIntError>(5);
        come_back::<ParseFloatError>(2);
        come_back::<ParseBoolError>(1);
        come_back::<ParseCharError>(2);
        come_back::<CharTryFromError>(1);
        come_back::<TryFromIntError>(1);
        come_back::<AddrParseError>(6);
        come_back::<fmt::Error>(1);
    }

    #[test]
    fn kinds_of_integers_errors_are_all_there() {
        let kinds: Vec<IntErrorKind> = ParseIntError::all().map(|one| *one.kind()).collect();
        let expected = [
            IntErrorKind::Empty,
            IntErrorKind::InvalidDigit,
            IntErrorKind::PosOverflow,
            IntErrorKind::NegOverflow,
            IntErrorKind::Zero,
        ];
        assert_eq!(kinds, expected);
    }
}
