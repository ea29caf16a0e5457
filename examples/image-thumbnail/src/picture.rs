//! Pictures in memory, and PNG files.

use std::fmt;

use serde::{Deserialize, Serialize};
use zune_core::bit_depth::BitDepth;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::{DecoderOptions, EncoderOptions};
use zune_png::{PngDecoder, PngEncoder};

/// The most pixels in either direction that are decoded. This and the virtine's memory bound what a small file can
/// claim to contain.
const MOST_PIXELS: usize = 16 << 10;

/// Why a file cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PictureError {
    /// It is not a PNG file, or it is corrupt.
    Corrupt(String),
    /// Its color type is not supported.
    Colours(String),
    /// The picture has no pixels.
    Empty,
    /// The thumbnail cannot be written.
    Encode(String),
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(cause) => write!(f, "expected a PNG file, found: {cause}"),
            Self::Colours(found) => {
                write!(f, "expected grey or RGB, with alpha or not, found {found}")
            }
            Self::Empty => write!(f, "the picture has no pixels"),
            Self::Encode(cause) => write!(f, "the thumbnail cannot be written: {cause}"),
        }
    }
}

/// Rows of pixels, each of `channels` bytes.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) channels: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Picture {
    pub(crate) fn decode(file: &[u8]) -> Result<Self, PictureError> {
        let options = DecoderOptions::default()
            .set_max_width(MOST_PIXELS)
            .set_max_height(MOST_PIXELS)
            .set_strict_mode(true)
            .png_set_strip_to_8bit(true);
        let mut decoder = PngDecoder::new_with_options(ZCursor::new(file), options);
        let corrupt = |error| PictureError::Corrupt(format!("{error:?}"));
        let bytes = decoder.decode_raw().map_err(corrupt)?;
        let (width, height) = decoder.dimensions().ok_or(PictureError::Empty)?;
        if bytes.is_empty() || width == 0 || height == 0 {
            return Err(PictureError::Empty);
        }
        let channels = bytes.len() / width / height;
        Ok(Self {
            width,
            height,
            channels,
            bytes,
        })
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, PictureError> {
        let colours = match self.channels {
            1 => ColorSpace::Luma,
            2 => ColorSpace::LumaA,
            3 => ColorSpace::RGB,
            4 => ColorSpace::RGBA,
            other => return Err(PictureError::Colours(format!("{other} channels"))),
        };
        let options = EncoderOptions::new(self.width, self.height, colours, BitDepth::Eight);
        let mut file = Vec::new();
        PngEncoder::new(&self.bytes, options)
            .encode(&mut file)
            .map_err(|error| PictureError::Encode(format!("{error:?}")))?;
        Ok(file)
    }
}
