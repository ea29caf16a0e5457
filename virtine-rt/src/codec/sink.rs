//! Where encoded bytes go.

use alloc_crate::vec::Vec;

/// Where the elements of a sequence start, at a multiple of so many bytes from the start of all that is encoded: the
/// largest alignment of a plain value.
pub const ALIGNMENT: usize = 16;

/// In a number of elements: they are not here.
pub const ELSEWHERE: u64 = 1 << 63;

/// In a number of elements, of a sequence in bytes that an [aligned](Sink::ALIGNED) sink has taken: the elements are as
/// they lie in memory, which is as they are encoded.
pub(super) const AS_THEY_LIE: u64 = 1 << 62;

/// Where encoded bytes go, in order.
pub trait Sink {
    /// Takes the next bytes; `false` where they do not fit, which ends the encoding.
    fn write(&mut self, bytes: &[u8]) -> bool;

    /// Whether the elements of sequences are to start at multiples of [`ALIGNMENT`].
    const ALIGNED: bool = false;

    /// How many bytes it has taken.
    fn position(&self) -> usize;

    /// Writes over bytes that were taken, from the `position`th on.
    fn patch(&mut self, position: usize, bytes: &[u8]);

    /// Whether the peer finds these bytes where they lie, also once the encoding is over and all that was made for it
    /// has been dropped. Then they need not be taken.
    fn keeps(&self, bytes: &[u8]) -> bool {
        let _ = bytes;
        false
    }

    /// Whether these bytes, which are some, are the program's own constants. The peer, which has the program as well,
    /// is then told where they lie.
    fn holds_for_good(&self, bytes: &[u8]) -> bool {
        let _ = bytes;
        false
    }
}

impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.extend_from_slice(bytes);
        true
    }

    fn position(&self) -> usize {
        self.len()
    }

    fn patch(&mut self, position: usize, bytes: &[u8]) {
        if let Some(place) = self.get_mut(position..position + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}
