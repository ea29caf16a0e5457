//! The image parser: any bytes, and images that were right but for some.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virtine_rt::abi::image::Image;
use virtine_rt::abi::{USER_BASE, USER_LIMIT};

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = Image::parse(bytes) else {
        return;
    };
    let mut free_from = USER_BASE;
    for segment in &image.segments {
        assert!(segment.address >= free_from && segment.end() <= USER_LIMIT);
        assert!(segment.bytes.len() as u64 <= segment.size);
        free_from = segment.end();
    }
});
