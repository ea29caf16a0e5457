//! Thumbnails of PNG files that nobody has to trust: a file is decoded, scaled and encoded again inside a virtine,
//! by a crate from crates.io as it is. Whatever the file does to the decoder, it does it there.

mod picture;
mod scale;

use wasp_core::virtine;

pub use picture::PictureError;

use picture::Picture;

/// A PNG of `file`'s picture, at most `side` pixels wide and high.
///
/// # Errors
///
/// What is wrong with the file, as far as the decoder can tell. What it cannot handle at all ends the virtine,
/// which `thumbnail::try_call` returns as an error as well.
#[virtine(timeout = "2s", memory = "128MiB")]
pub fn thumbnail(file: &[u8], side: usize) -> Result<Vec<u8>, PictureError> {
    let picture = Picture::decode(file)?;
    scale::down(&picture, side).encode()
}
