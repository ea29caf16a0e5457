//! Texts that a value borrows: a guest's `&'static str` lies in its image, which the host has as well.
//!
//! The guest names such a text by its address. What lies there in the image is compared with what the guest has there,
//! and nothing is ever searched for.

use virtine_rt::abi::image::Segment;

/// The texts of an image.
#[derive(Clone, Copy)]
pub(crate) struct Statics<'b, 's> {
    segments: &'b [Segment<'s>],
}

impl<'b, 's> Statics<'b, 's> {
    /// Where nothing is borrowed.
    pub(crate) const NONE: Self = Self { segments: &[] };

    /// Those of the image with these segments.
    pub(crate) const fn new(segments: &'b [Segment<'s>]) -> Self {
        Self { segments }
    }

    /// The text of the image at `address`, of so many bytes.
    pub(super) fn text(&self, address: u64, length: u64) -> Option<&'s str> {
        let length = usize::try_from(length).ok()?;
        let found = self.segments.iter().find_map(|segment| {
            let start = usize::try_from(address.checked_sub(segment.address)?).ok()?;
            segment.bytes.get(start..start.checked_add(length)?)
        })?;
        str::from_utf8(found).ok()
    }
}
