//! Strings that a value borrows. A guest's `&'static str` lies in its image, which the host also has.
//!
//! The guest names such a string by its address. The bytes there in the image are compared with those that the guest
//! has there. Nothing is ever searched.

use virtine_rt::abi::image::Segment;

/// The strings of an image.
#[derive(Clone, Copy)]
pub(crate) struct Statics<'b, 's> {
    segments: &'b [Segment<'s>],
}

impl<'b, 's> Statics<'b, 's> {
    /// For values that borrow nothing.
    pub(crate) const NONE: Self = Self { segments: &[] };

    /// The strings of the image with these segments.
    pub(crate) const fn new(segments: &'b [Segment<'s>]) -> Self {
        Self { segments }
    }

    /// The string of this length in the image at `address`.
    pub(super) fn text(&self, address: u64, length: u64) -> Option<&'s str> {
        let length = usize::try_from(length).ok()?;
        let found = self.segments.iter().find_map(|segment| {
            let start = usize::try_from(address.checked_sub(segment.address)?).ok()?;
            segment.bytes.get(start..start.checked_add(length)?)
        })?;
        str::from_utf8(found).ok()
    }
}
