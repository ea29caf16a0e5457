//! Against NIST SP 800-38A, F.2.1 (CBC-AES128.Encrypt).

use std::io::Write as _;
use std::process::{Command, Stdio};

use virtine_aes::{encrypt, in_place};

const KEY: u128 = 0x2b7e151628aed2a6abf7158809cf4f3c;
const IV: u128 = 0x000102030405060708090a0b0c0d0e0f;
const PLAIN: [u128; 4] = [
    0x6bc1bee22e409f96e93d7e117393172a,
    0xae2d8a571e03ac9c9eb76fac45af8e51,
    0x30c81c46a35ce411e5fbc1191a0a52ef,
    0xf69f2445df4f9b17ad2b417be66c3710,
];
const CIPHER: [u128; 4] = [
    0x7649abac8119b246cee98e9b12e9197d,
    0x5086cb9b507219ee95db113a917678b2,
    0x73bed6b8e3c1743b7116e69e22229516,
    0x3ff1caa1681fac09120eca307586e1a7,
];

fn bytes(blocks: &[u128]) -> Vec<u8> {
    blocks
        .iter()
        .flat_map(|block| block.to_be_bytes())
        .collect()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn nist_vectors_hold_natively_and_in_a_virtine() {
    let (key, iv) = (KEY.to_be_bytes(), IV.to_be_bytes());
    let mut here = bytes(&PLAIN);
    in_place(&key, &iv, &mut here).expect("whole blocks");
    let there = encrypt(&key, &iv, &bytes(&PLAIN)).expect("whole blocks");
    assert_eq!(here, bytes(&CIPHER));
    assert_eq!(there, bytes(&CIPHER));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_byte_of_a_long_text_is_encrypted() {
    let (key, iv) = (KEY.to_be_bytes(), IV.to_be_bytes());
    let plain: Vec<u8> = (0..64 << 10)
        .map(|n: u32| n.to_le_bytes()[n as usize % 2])
        .collect();
    let mut here = plain.clone();
    in_place(&key, &iv, &mut here).expect("whole blocks");
    let there = encrypt(&key, &iv, &plain).expect("whole blocks");
    assert!(here == there);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn part_of_a_block_is_an_error() {
    let (key, iv) = (KEY.to_be_bytes(), IV.to_be_bytes());
    assert_eq!(encrypt(&key, &iv, &[0; 17]), Err(17));
}

/// The chunks' joints included: what they take is whole blocks, so only the end is padded.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn program_encrypts_as_one_piece_what_it_reads_in_chunks() {
    for length in [0, 5, 16, (16 << 10) - 1, 16 << 10, 40_000] {
        let plain: Vec<u8> = (0..length).map(|n: u32| n as u8).collect();
        let missing = 16 - plain.len() % 16;
        let mut expected = plain.clone();
        expected.resize(plain.len() + missing, missing as u8);
        in_place(&KEY.to_be_bytes(), &IV.to_be_bytes(), &mut expected).expect("whole blocks");
        assert!(run(&plain) == expected, "{length} bytes");
    }
}

fn run(plain: &[u8]) -> Vec<u8> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_virtine-aes"))
        .args([KEY, IV].map(|number| format!("{number:032x}")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = program.stdin.take().expect("a pipe");
    let plain = plain.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&plain));
    let output = program.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("all is read");
    assert!(output.status.success());
    output.stdout
}
