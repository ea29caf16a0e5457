//! Where a call's result is encoded.

use std::vec::Vec;

use crate::codec::Sink;

/// More than this goes to the heap.
const SMALL: usize = 256;

/// Bytes on the stack, which every call dirties anyhow; to allocate dirties three pages more, libc's own
/// among them, and each of them is put back.
pub(super) struct Encoded {
    small: [u8; SMALL],
    length: usize,
    large: Vec<u8>,
}

impl Encoded {
    pub(super) const fn new() -> Self {
        Self {
            small: [0; SMALL],
            length: 0,
            large: Vec::new(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self.large.is_empty() {
            true => self.small.get(..self.length).unwrap_or_default(),
            false => &self.large,
        }
    }
}

impl Sink for Encoded {
    fn write(&mut self, bytes: &[u8]) -> bool {
        let end = self.length + bytes.len();
        match self.small.get_mut(self.length..end) {
            Some(place) if self.large.is_empty() => {
                place.copy_from_slice(bytes);
                self.length = end;
            }
            _ => {
                if self.large.is_empty() {
                    self.large
                        .extend(self.small.get(..self.length).unwrap_or_default());
                }
                self.large.extend(bytes);
            }
        }
        true
    }
}
