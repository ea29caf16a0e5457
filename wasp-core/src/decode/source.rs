//! Bytes that claim to be one value.

use virtine_rt::codec::Encoding;

use crate::decode::elsewhere::Elsewhere;
use crate::decode::statics::Statics;

/// Bytes that claim to be one value.
pub(crate) struct Source<'b, 's> {
    /// The bytes, all of them.
    pub(crate) bytes: &'b [u8],
    /// Their encoding.
    pub(crate) encoding: Encoding,
    /// How many levels deep they may nest.
    pub(crate) depth: u32,
    /// Memory that the bytes may name.
    pub(crate) elsewhere: Elsewhere<'b>,
    /// Strings that the value may borrow.
    pub(crate) statics: Statics<'b, 's>,
}
