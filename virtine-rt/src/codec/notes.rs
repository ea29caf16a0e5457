//! Notes of where in the image the texts of a result lie.
//!
//! A `&'static str` of the guest's is one of the host's as well, which has the image; what it cannot know from the
//! encoded text is where in the image that stands. So the guest takes a note of it where it encodes the text.

use alloc_crate::vec::Vec;
use core::ops::Range;

/// Where one text lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// How many bytes of the encoded value come before those of the text.
    pub position: u64,
    /// The guest address of the text.
    pub address: u64,
}

impl Note {
    /// Bytes of a note: its fields, little-endian.
    pub const SIZE: usize = 16;

    /// The first of these notes, and the others.
    #[must_use]
    pub fn first(notes: &[u8]) -> Option<(Self, &[u8])> {
        let (note, rest) = notes.split_first_chunk::<{ Self::SIZE }>()?;
        let note = u128::from_le_bytes(*note);
        let (position, address) = (note as u64, (note >> 64) as u64);
        Some((Self { position, address }, rest))
    }

    /// The form that [`Note::first`] reads.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::SIZE] {
        (self.position as u128 | (self.address as u128) << 64).to_le_bytes()
    }
}

/// Notes that are being taken.
pub(super) struct Notes {
    /// Where texts must lie to be noted.
    statics: Range<usize>,
    /// Bytes of the value so far.
    position: usize,
    /// The notes, one behind the other.
    pub(super) taken: Vec<u8>,
}

impl Notes {
    pub(super) const fn of(statics: Range<usize>) -> Self {
        Self {
            statics,
            position: 0,
            taken: Vec::new(),
        }
    }

    /// Takes note of the next bytes, if they lie there: what is written from there can only be a text, or bytes.
    #[inline]
    pub(super) fn see(&mut self, bytes: &[u8]) {
        if self.statics.contains(&bytes.as_ptr().addr()) && !bytes.is_empty() {
            let note = Note {
                position: self.position as u64,
                address: bytes.as_ptr().addr() as u64,
            };
            self.taken.extend(note.to_bytes());
        }
        self.position += bytes.len();
    }
}
