//! `std::cmp::Ordering`, for which serde has nothing.

use core::cmp::Ordering;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ordering on its way: -1, 0 or 1 in one byte.
pub struct Ordered(pub Ordering);

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i8(self.0 as i8)
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i8::deserialize(deserializer)? {
            -1 => Ok(Self(Ordering::Less)),
            0 => Ok(Self(Ordering::Equal)),
            1 => Ok(Self(Ordering::Greater)),
            _ => Err(D::Error::custom("an ordering is none of -1, 0 and 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc_crate::vec::Vec;

    use super::super::{decode_untrusted, encode};
    use super::*;

    #[test]
    fn each_ordering_comes_back_and_nothing_else_is_one() {
        for ordering in [Ordering::Less, Ordering::Equal, Ordering::Greater] {
            let mut bytes = Vec::new();
            encode(&Ordered(ordering), &mut bytes).expect("a Vec takes all");
            let decoded = decode_untrusted::<Ordered>(&bytes).expect("an ordering");
            assert_eq!(decoded.0, ordering);
        }
        assert!(decode_untrusted::<Ordered>(&[2]).is_err());
    }
}
