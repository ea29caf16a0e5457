//! How numbers are encoded.

use bincode::config::{Configuration, Fixint, LittleEndian, NoLimit};

/// Numbers are bincode's: little-endian, as wide as their type.
pub(super) const CONFIG: Configuration<LittleEndian, Fixint, NoLimit> =
    bincode::config::standard().with_fixed_int_encoding();
