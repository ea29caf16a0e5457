//! Scales pictures down: each pixel is the mean of those that it replaces.

use crate::picture::Picture;

/// Scales the picture in proportion, to at most `side` and at least one pixel in width and height.
pub(crate) fn down(picture: &Picture, side: usize) -> Picture {
    let longest = picture.width.max(picture.height);
    let side = side.clamp(1, longest);
    let scaled = |length: usize| (length * side / longest).max(1);
    let (width, height) = (scaled(picture.width), scaled(picture.height));
    let mut bytes = Vec::with_capacity(width * height * picture.channels);
    for y in 0..height {
        let rows = y * picture.height / height..(y + 1) * picture.height / height;
        for x in 0..width {
            let columns = x * picture.width / width..(x + 1) * picture.width / width;
            for channel in 0..picture.channels {
                bytes.push(mean(picture, rows.clone(), columns.clone(), channel));
            }
        }
    }
    Picture {
        width,
        height,
        channels: picture.channels,
        bytes,
    }
}

fn mean(
    picture: &Picture,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    channel: usize,
) -> u8 {
    let pixels = (rows.len() * columns.len()) as u64;
    let mut sum = 0;
    for row in rows {
        for column in columns.clone() {
            let pixel = row * picture.width + column;
            sum += u64::from(picture.bytes[pixel * picture.channels + channel]);
        }
    }
    (sum / pixels) as u8
}
