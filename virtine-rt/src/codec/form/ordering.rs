//! `std::cmp::Ordering`, which serde does not support.

use core::cmp::Ordering;

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

use super::wire::{DecodeAs, EncodeAs};

/// An ordering: -1, 0 or 1 in one byte.
pub struct Ordered;

impl EncodeAs<Ordering> for Ordered {
    fn encode<S: Serializer>(value: &Ordering, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i8(*value as i8)
    }
}

impl<'de> DecodeAs<'de, Ordering> for Ordered {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<Ordering, D::Error> {
        match i8::deserialize(deserializer)? {
            -1 => Ok(Ordering::Less),
            0 => Ok(Ordering::Equal),
            1 => Ok(Ordering::Greater),
            _ => Err(D::Error::custom("an ordering is none of -1, 0 and 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc_crate::vec::Vec;

    use super::super::super::{Decoder, encode};
    use super::super::{As, AsRef};
    use super::*;

    #[test]
    fn each_ordering_comes_back_and_nothing_else_is_one() {
        for ordering in [Ordering::Less, Ordering::Equal, Ordering::Greater] {
            let mut bytes = Vec::new();
            encode(&AsRef::<Ordered, _>::new(&ordering), &mut bytes).expect("a Vec takes all");
            let decoded = Decoder::new(&bytes).take::<As<Ordered, Ordering>>();
            let decoded = decoded.expect("an ordering");
            assert_eq!(decoded.0, ordering);
        }
        let other = Decoder::new(&[2]).take::<As<Ordered, Ordering>>();
        assert!(other.is_err());
    }
}
