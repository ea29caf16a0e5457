//! Elements that lie in memory as they are encoded.

use core::{mem, ptr, slice};

use serde::Serialize;

use crate::assembly::word;
use crate::codec::footprint::Footprint;

/// The items to which an iterator has yielded references so far, as long as their encoded forms are contiguous.
pub(super) struct Row {
    footprint: Footprint,
    count: usize,
}

impl Row {
    /// A row without elements.
    pub(super) const fn new() -> Self {
        Self {
            footprint: Footprint::EMPTY,
            count: 0,
        }
    }

    /// The number of elements.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The encoded form of all of them.
    pub(super) fn bytes(&self) -> &[u8] {
        let (start, length) = self.footprint.place();
        if length == 0 {
            return &[];
        }
        // SAFETY: contiguous plain values lie there, to which items of an iterator refer. It may be asked to yield all
        // its items before one is used, so what they refer to stays there as long as the iterator is borrowed. That is
        // longer than the code that collects a sequence has this.
        unsafe { slice::from_raw_parts(start, length) }
    }

    /// Continues with `item`. True if it refers to memory directly after the others that is its encoded form.
    ///
    /// The item itself must refer to its encoded form. Otherwise that may be a temporary value, which the type's own
    /// code has created for encoding and drops again.
    #[inline]
    pub(super) fn continues_with<T: Serialize>(&mut self, item: &T) -> bool {
        let Some(place) = referent(item) else {
            return false;
        };
        let (start, length) = self.footprint.place();
        if self.count > 0 && place != start.wrapping_add(length) {
            return false;
        }
        let mut footprint = self.footprint;
        let continues = footprint.continues_with(item)
            && (self.count > 0 || footprint.place().0 == place)
            && footprint.place().1 > length;
        if continues {
            self.footprint = footprint;
            self.count += 1;
        }
        continues
    }
}

/// The address that an item refers to, if the item has a reference's size and owns nothing. What an item owns is
/// dropped with it.
#[inline(always)]
fn referent<T>(item: &T) -> Option<*const u8> {
    let is_like_reference = size_of::<T>() == size_of::<usize>()
        && align_of::<T>() == align_of::<usize>()
        && !mem::needs_drop::<T>();
    // SAFETY: an item of a reference's size has that many bytes. If some are padding, the word is an arbitrary address,
    // at which the item's encoded form does not lie.
    is_like_reference.then(|| unsafe { word::read(ptr::from_ref(item)) })
}
