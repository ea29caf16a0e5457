//! The encoding of numbers.

use bincode::config::{Configuration, Fixint, LittleEndian, NoLimit};

/// Numbers are encoded as by bincode: little-endian, as wide as their type.
pub(super) const CONFIG: Configuration<LittleEndian, Fixint, NoLimit> =
    bincode::config::standard().with_fixed_int_encoding();
