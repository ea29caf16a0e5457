//! Good pictures, bad pictures, and pictures that mean harm.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use image_thumbnail::thumbnail;
use zune_core::bit_depth::BitDepth;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::EncoderOptions;
use zune_png::{PngDecoder, PngEncoder};

/// Left half black, right half white, in RGB.
fn picture(width: usize, height: usize) -> Vec<u8> {
    let row = (0..width).flat_map(|x| [if x < width / 2 { 0 } else { 255 }; 3]);
    let pixels: Vec<u8> = (0..height).flat_map(|_| row.clone()).collect();
    let options = EncoderOptions::new(width, height, ColorSpace::RGB, BitDepth::Eight);
    let mut file = Vec::new();
    PngEncoder::new(&pixels, options)
        .encode(&mut file)
        .expect("encoded");
    file
}

fn decode(file: &[u8]) -> ((usize, usize), Vec<u8>) {
    let mut decoder = PngDecoder::new(ZCursor::new(file));
    let pixels = decoder.decode_raw().expect("a PNG file");
    (decoder.dimensions().expect("decoded"), pixels)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn picture_is_scaled_in_its_proportions() {
    let small = thumbnail(&picture(400, 100), 40).expect("a PNG file");
    let (dimensions, pixels) = decode(&small);
    assert_eq!(dimensions, (40, 10));
    for row in pixels.chunks(40 * 3) {
        assert!(row[..20 * 3].iter().all(|&byte| byte == 0));
        assert!(row[20 * 3..].iter().all(|&byte| byte == 255));
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn small_picture_stays_as_it_is() {
    let (dimensions, _) = decode(&thumbnail(&picture(6, 3), 100).expect("a PNG file"));
    assert_eq!(dimensions, (6, 3));
    let (dimensions, _) = decode(&thumbnail(&picture(300, 1), 10).expect("a PNG file"));
    assert_eq!(dimensions, (10, 1));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn what_is_no_png_file_is_an_error() {
    for file in [&b""[..], b"GIF89a", &picture(20, 20)[..50], &[0x89; 4096]] {
        let answer = thumbnail::try_call(file, 10);
        assert!(!matches!(answer, Ok(Ok(_))), "{} bytes", file.len());
    }
}

/// The next picture is right whatever the last one did.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn any_damage_is_an_error_or_a_picture_and_never_a_crash() {
    let good = picture(64, 64);
    let right = thumbnail(&good, 8).expect("a PNG file");
    for at in 0..200 {
        let mut file = good.clone();
        let length = file.len();
        file[(at * 7919) % length] ^= 1 << (at % 8);
        drop(thumbnail::try_call(&file, 8));
        if at % 50 == 0 {
            assert!(thumbnail(&good, 8) == Ok(right.clone()));
        }
    }
}

/// 16,384 by 16,384 pixels of four channels would take a gibibyte.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn file_that_claims_to_be_huge_is_an_error() {
    let mut bomb = picture(64, 64);
    bomb[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
    let crc = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    let answer = thumbnail::try_call(&bomb, 8);
    assert!(!matches!(answer, Ok(Ok(_))));
}

/// 128 MiB of zeros in less than a hundredth of that: it fits what may be claimed, and not the virtine's memory.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn small_file_that_unpacks_to_a_huge_picture_is_an_error() {
    let bomb = black(16_384, 8_192);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let answer = thumbnail::try_call(&bomb, 8);
    assert!(!matches!(answer, Ok(Ok(_))));
    assert!(thumbnail(&picture(20, 20), 8).is_ok());
}

/// A black picture in 8 bits of grey, as small as can be.
fn black(width: u32, height: u32) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 0, 0, 0, 0]);
    let rows = zeros((width as usize + 1) * height as usize);
    let chunks = [
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &rows),
        chunk(b"IEND", &[]),
    ];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name, data].concat();
    let length = (data.len() as u32).to_be_bytes();
    [&length[..], &named, &crc32(&named).to_be_bytes()].concat()
}

/// So many zeros in zlib's form (RFC 1950, 1951): one byte, then copies of 258 of it, by the fixed codes. The
/// checksum is that of zeros.
fn zeros(length: usize) -> Vec<u8> {
    let mut bits = vec![true, true, false];
    let mut code = |value: u16, width: u16| {
        bits.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
    };
    code(0x30, 8);
    for _ in 0..(length - 1) / 258 {
        code(0xc5, 8);
        code(0, 5);
    }
    for _ in 0..(length - 1) % 258 {
        code(0x30, 8);
    }
    code(0, 7);
    let bytes = bits.chunks(8).map(|bits| {
        bits.iter()
            .rev()
            .fold(0, |byte, &bit| byte << 1 | u8::from(bit))
    });
    let sum = (length as u32 % 65_521) << 16 | 1;
    [0x78, 0x01]
        .into_iter()
        .chain(bytes)
        .chain(sum.to_be_bytes())
        .collect()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn the_bomb_is_a_picture_where_it_is_small() {
    let (dimensions, pixels) = decode(&thumbnail(&black(20, 30), 10).expect("a PNG file"));
    assert_eq!(dimensions, (6, 10));
    assert!(pixels.iter().all(|&byte| byte == 0));
}

/// As PNG has it (ISO/IEC 15948, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn program_writes_a_file_and_tells_what_is_wrong_with_one() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let [good, bad, small] = ["good.png", "bad.png", "small.png"].map(|name| folder.join(name));
    fs::write(&good, picture(300, 200)).expect("written");
    fs::write(&bad, b"no picture").expect("written");
    let run = |input: &PathBuf| {
        Command::new(env!("CARGO_BIN_EXE_image-thumbnail"))
            .args([input, &small])
            .output()
            .expect("the program starts")
    };
    assert!(run(&good).status.success());
    let (dimensions, _) = decode(&fs::read(&small).expect("written"));
    assert_eq!(dimensions, (128, 85));
    let failed = run(&bad);
    assert_eq!(failed.status.code(), Some(1));
    let message = String::from_utf8(failed.stderr).expect("UTF-8");
    assert!(
        message.contains("bad.png: expected a PNG file"),
        "{message}"
    );
}
