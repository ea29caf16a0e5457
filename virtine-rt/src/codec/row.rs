//! Elements that lie in memory as they are encoded.

use core::{mem, ptr, slice};

use serde::Serialize;

use crate::assembly::word;
use crate::codec::footprint::Footprint;

/// What an iterator has yielded references to so far, as long as the encoded forms lie one behind the other.
pub(super) struct Row {
    footprint: Footprint,
    count: usize,
}

impl Row {
    /// Of no elements.
    pub(super) const fn new() -> Self {
        Self {
            footprint: Footprint::EMPTY,
            count: 0,
        }
    }

    /// How many elements there are.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The encoded form of all of them.
    pub(super) fn bytes(&self) -> &[u8] {
        let (start, length) = self.footprint.place();
        if length == 0 {
            return &[];
        }
        // SAFETY: plain values lie there, one behind the other, to which items of an iterator refer. It may be asked
        // to yield all its items before one is used, so that what they refer to stays there as long as the iterator
        // is borrowed, which is longer than whoever collects a sequence has this.
        unsafe { slice::from_raw_parts(start, length) }
    }

    /// Goes on with `item`: true where it refers to what lies right behind the others, and that is its encoded form.
    ///
    /// The item must refer to its encoded form itself. Elsewhere that may be something which the type's own code has
    /// made to encode it, and drops again.
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

/// Where an item says that something lies, if it is of a reference's size and owns nothing. What an item owns is gone
/// with it.
#[inline(always)]
fn referent<T>(item: &T) -> Option<*const u8> {
    let is_like_reference = size_of::<T>() == size_of::<usize>()
        && align_of::<T>() == align_of::<usize>()
        && !mem::needs_drop::<T>();
    // SAFETY: an item of a reference's size has as many bytes. Where some are padding, the word is some address at which
    // the item's encoded form does not lie.
    is_like_reference.then(|| unsafe { word::read(ptr::from_ref(item)) })
}
