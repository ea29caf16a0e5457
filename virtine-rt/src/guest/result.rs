//! The buffer into which a call's result is encoded.

use super::heap;
use super::image::constants;
use crate::codec::{Sink, Small};

/// The bytes of a result. They name what lies on the heap instead of containing it.
///
/// If the heap is sealed, its older part is named. Temporary values that the result's types create during encoding lie
/// after that part, and are copied.
pub(super) struct Encoded(Small);

impl Encoded {
    pub(super) const fn new() -> Self {
        Self(Small::new())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl Sink for Encoded {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write(bytes)
    }

    fn position(&self) -> usize {
        self.0.position()
    }

    fn patch(&mut self, position: usize, bytes: &[u8]) {
        self.0.patch(position, bytes);
    }

    fn keeps(&self, bytes: &[u8]) -> bool {
        heap::has_sealed(bytes.as_ptr().addr()) || self.holds_for_good(bytes)
    }

    fn holds_for_good(&self, bytes: &[u8]) -> bool {
        constants().contains(&bytes.as_ptr().addr()) && !bytes.is_empty()
    }
}
