//! Texts that a value borrows: a guest's `&'static str` lies in its image, which the host has as well.
//!
//! The guest says of each text that it encodes where in the image it lies, if it does (`virtine_rt::codec::notes`).
//! That is looked up, compared with what was encoded, and nothing is ever searched for.

use virtine_rt::abi::image::Segment;
use virtine_rt::codec::Note;

use super::Failure;
use super::reader::invalid;

/// The texts of an image, as far as a guest has noted them.
#[derive(Clone, Copy)]
pub(crate) struct Statics<'b, 's> {
    segments: &'b [Segment<'s>],
    /// The guest's notes that are left.
    notes: &'b [u8],
    /// The position that the last one before them is for.
    last: Option<u64>,
}

impl<'b, 's> Statics<'b, 's> {
    /// Where nothing is borrowed.
    pub(crate) const NONE: Self = Self {
        segments: &[],
        notes: &[],
        last: None,
    };

    /// Those of the image with these segments that the guest's notes name.
    pub(crate) const fn new(segments: &'b [Segment<'s>], notes: &'b [u8]) -> Self {
        Self {
            segments,
            notes,
            last: None,
        }
    }

    /// Passes over the notes for what comes before `position`; tells how many these were. Each must be for a later
    /// position than the one before it, so that all are read once.
    pub(super) fn skip_to(&mut self, position: u64) -> Result<usize, Failure> {
        let mut skipped = 0;
        while let Some((note, rest)) = Note::first(self.notes) {
            if self.last.is_some_and(|last| note.position <= last) {
                return invalid("its notes of static texts are out of order");
            }
            if note.position >= position {
                break;
            }
            (self.notes, self.last) = (rest, Some(note.position));
            skipped += 1;
        }
        Ok(skipped)
    }

    /// The text of the image that the note for `position` names, if it is the same as `bytes`.
    pub(super) fn text(&self, position: u64, bytes: &[u8]) -> Option<&'s str> {
        if bytes.is_empty() {
            return Some("");
        }
        let (note, _) = Note::first(self.notes)?;
        if note.position != position {
            return None;
        }
        let found = self.segments.iter().find_map(|segment| {
            let start = usize::try_from(note.address.checked_sub(segment.address)?).ok()?;
            segment.bytes.get(start..start.checked_add(bytes.len())?)
        })?;
        (found == bytes).then(|| str::from_utf8(found).ok())?
    }
}
