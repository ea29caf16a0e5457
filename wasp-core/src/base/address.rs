//! Guest-physical addresses.

use std::fmt;

/// An address in a guest's memory, from 0 on.
///
/// It is a separate type, so that it is never confused with a host address. Any number converts into one. Each use
/// checks that it lies in the guest's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestAddress(pub u64);

impl fmt::Display for GuestAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl From<u64> for GuestAddress {
    fn from(address: u64) -> Self {
        Self(address)
    }
}

impl From<u32> for GuestAddress {
    fn from(address: u32) -> Self {
        Self(address.into())
    }
}

impl From<usize> for GuestAddress {
    fn from(address: usize) -> Self {
        Self(address as u64)
    }
}

/// For plain literals. A negative number becomes an address that no guest has.
impl From<i32> for GuestAddress {
    fn from(address: i32) -> Self {
        Self(i64::from(address).cast_unsigned())
    }
}
