//! Needs /dev/kvm.
#![cfg(not(without_kvm))]

use compression::{compress, decompress, decompress_here};

#[test]
fn what_is_packed_comes_back() {
    let text = "in a virtine ".repeat(10_000).into_bytes();
    for level in [1, 3, 19] {
        let packed = compress(&text, level).expect("packed");
        assert!(packed.len() < text.len() / 100);
        assert_eq!(decompress(&packed, text.len()), Ok(text.clone()));
    }
}

#[test]
fn errors_are_those_of_the_host() {
    let packed = compress(&[7; 1000], 3).expect("packed");
    for at in 0..packed.len() {
        let mut changed = packed.clone();
        changed[at] ^= 0x55;
        assert_eq!(
            decompress(&changed, 1000),
            decompress_here(&changed, 1000),
            "byte {at}"
        );
    }
}
