//! Destinations of encoded bytes.

use alloc_crate::vec::Vec;

/// Elements of a sequence start at a multiple of this many bytes from the start of the encoding: the largest alignment
/// of a plain value.
pub const ALIGNMENT: usize = 16;

/// Flag in a number of elements: they lie elsewhere.
pub const ELSEWHERE: u64 = 1 << 63;

/// Flag in a number of elements, for a sequence in an [aligned](Sink::ALIGNED) sink: the elements are encoded as they
/// lie in memory.
pub(super) const AS_THEY_LIE: u64 = 1 << 62;

/// A destination of encoded bytes, which come in order.
pub trait Sink {
    /// Takes the next bytes. Returns `false` if they do not fit, which ends the encoding.
    fn write(&mut self, bytes: &[u8]) -> bool;

    /// Whether the elements of sequences must start at multiples of [`ALIGNMENT`].
    const ALIGNED: bool = false;

    /// The number of bytes taken so far.
    fn position(&self) -> usize;

    /// Overwrites bytes that were taken, starting at `position`.
    fn patch(&mut self, position: usize, bytes: &[u8]);

    /// Whether the peer can read these bytes in place, even after the encoding is over and all temporary values have
    /// been dropped. Then they need not be taken.
    fn keeps(&self, bytes: &[u8]) -> bool {
        let _ = bytes;
        false
    }

    /// Whether these bytes, which are not empty, are constants of the program. The peer also has the program, and only
    /// needs their address.
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
