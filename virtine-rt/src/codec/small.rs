//! A sink that takes no memory for values that are small.

use alloc_crate::vec::Vec;

use super::sink::Sink;

/// More than this goes to the heap.
const SMALL: usize = 256;

/// Encoded bytes: on the stack, which every call dirties anyhow, as long as they are few. To allocate dirties further
/// pages, the allocator's own among them, and each of them is put back.
#[derive(Debug)]
pub struct Small {
    few: [u8; SMALL],
    /// How many of these are taken; none any more where there are many.
    length: usize,
    many: Vec<u8>,
}

impl Small {
    /// Of nothing.
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
