//! Thumbnails of untrusted PNG files. A file is decoded, scaled and encoded inside a virtine, with an unmodified crate
//! from crates.io. If the file exploits the decoder, it does so only there.

mod picture;
mod scale;

use wasp_core::virtine;

pub use picture::PictureError;

use picture::Picture;

/// Returns a PNG of the picture in `file`, at most `side` pixels wide and high.
///
/// # Errors
///
/// The defect of the file, if the decoder can tell. A file that it cannot handle at all ends the virtine, which
/// `thumbnail::try_call` also returns as an error.
#[virtine(timeout = "2s", memory = "128MiB")]
pub fn thumbnail(file: &[u8], side: usize) -> Result<Vec<u8>, PictureError> {
    let picture = Picture::decode(file)?;
    scale::down(&picture, side).encode()
}
