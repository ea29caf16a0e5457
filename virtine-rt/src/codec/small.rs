//! A sink that allocates no memory for small values.

use alloc_crate::vec::Vec;

use super::sink::Sink;

/// Larger encodings go to the heap.
const SMALL: usize = 256;

/// Encoded bytes. A small number is kept on the stack, which every call dirties anyway. An allocation would dirty
/// further pages, including the allocator's own, and each of them has to be restored.
#[derive(Debug)]
pub struct Small {
    few: [u8; SMALL],
    /// The number of bytes in use. 0 if they are on the heap.
    length: usize,
    many: Vec<u8>,
}

impl Small {
    /// Creates an empty sink.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "nobody wants one by default")]
    pub const fn new() -> Self {
        Self {
            few: [0; SMALL],
            length: 0,
            many: Vec::new(),
        }
    }

    /// All bytes that were taken.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self.many.is_empty() {
            true => self.few.get(..self.length).unwrap_or_default(),
            false => &self.many,
        }
    }

    #[cold]
    #[inline(never)]
    fn spill(&mut self) {
        self.many.reserve(4 * SMALL);
        self.many
            .extend_from_slice(self.few.get(..self.length).unwrap_or_default());
    }
}

impl Sink for Small {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> bool {
        if self.many.is_empty() {
            let end = self.length + bytes.len();
            if let Some(place) = self.few.get_mut(self.length..end) {
                place.copy_from_slice(bytes);
                self.length = end;
                return true;
            }
            self.spill();
        }
        self.many.extend_from_slice(bytes);
        true
    }

    fn position(&self) -> usize {
        self.bytes().len()
    }

    fn patch(&mut self, position: usize, bytes: &[u8]) {
        let taken = match self.many.is_empty() {
            true => &mut self.few[..],
            false => &mut self.many[..],
        };
        if let Some(place) = taken.get_mut(position..position + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}
