//! Flat images from `global_asm!`. The bytes are in the host program's read-only data, after their length.

use std::slice;

/// An image in the program, as assembled by [`guest!`](crate::guest).
///
/// ```text
/// length    8 bytes
/// bytes     so many
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct Image {
    length: u64,
    bytes: [u8; 0],
}

impl Image {
    /// The image that starts at `image`.
    ///
    /// # Safety
    ///
    /// `image` was assembled by [`guest!`](crate::guest).
    pub const unsafe fn bytes(image: *const Image) -> &'static [u8] {
        // SAFETY: the macro starts every image with its length, and aligns it.
        let length = unsafe { (*image).length };
        // SAFETY: a field of the image.
        let bytes = unsafe { &raw const (*image).bytes };
        // SAFETY: this many bytes follow, which nothing writes, as long as the program runs.
        unsafe { slice::from_raw_parts(bytes.cast(), length as usize) }
    }
}

/// Makes the compiler assemble a guest, in Intel syntax, and defines a function with its name that returns its bytes.
/// Labels are global in the program, so their names must differ from those of other guests.
#[macro_export]
macro_rules! guest {
    ($(#[$doc:meta])* $visibility:vis $name:ident = $source:literal) => {
        $(#[$doc])*
        #[expect(non_snake_case, reason = "it stands for a constant")]
        $visibility fn $name() -> &'static [u8] {
            unsafe extern "C" {
                static $name: $crate::image::Image;
            }
            mod assembled {
                ::core::arch::global_asm!(
                    ".pushsection .rodata",
                    ".balign 8",
                    ::core::concat!(".globl ", ::core::stringify!($name)),
                    ::core::concat!(::core::stringify!($name), ":"),
                    ".quad 90002f - 90001f",
                    "90001:",
                    $source,
                    "90002:",
                    ".code64",
                    ".popsection",
                );
            }
            // SAFETY: assembled right here.
            unsafe { $crate::image::Image::bytes(&raw const $name) }
        }
    };
}
