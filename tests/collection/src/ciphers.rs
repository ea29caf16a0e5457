//! Ciphers and encodings.

use std::collections::HashMap;

use wasp_core::virtine;

#[virtine]
pub fn caesar(text: &str, shift: u8) -> String {
    text.chars()
        .map(|c| match c {
            'a'..='z' => ((c as u8 - b'a' + shift % 26) % 26 + b'a') as char,
            'A'..='Z' => ((c as u8 - b'A' + shift % 26) % 26 + b'A') as char,
            other => other,
        })
        .collect()
}

#[virtine]
pub fn vigenere(text: &str, key: &str, decrypt: bool) -> String {
    let mut keys = key.bytes().cycle();
    text.bytes()
        .map(|b| {
            if !b.is_ascii_uppercase() {
                return b as char;
            }
            let shift = keys.next().map_or(0, |k| k - b'A');
            let shift = if decrypt { 26 - shift } else { shift };
            ((b - b'A' + shift) % 26 + b'A') as char
        })
        .collect()
}

#[virtine]
pub fn atbash(text: String) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_lowercase() {
                (b'z' - (c as u8 - b'a')) as char
            } else {
                c
            }
        })
        .collect()
}

#[virtine]
pub fn rail_fence(text: &str, rails: usize) -> String {
    let mut rows = vec![String::new(); rails.max(1)];
    let zigzag = (0..rails).chain((1..rails.saturating_sub(1)).rev()).cycle();
    for (c, row) in text.chars().zip(zigzag) {
        rows[row].push(c);
    }
    rows.concat()
}

#[virtine]
pub fn xor_in_place(data: &mut [u8], key: &[u8]) {
    for (byte, key) in data.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[virtine]
pub fn base64_encode(data: &[u8]) -> String {
    let mut out = String::new();
    for chunk in data.chunks(3) {
        let block =
            chunk.iter().fold(0u32, |n, &b| n << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            match i <= chunk.len() {
                true => out.push(ALPHABET[(block >> (18 - 6 * i) & 63) as usize] as char),
                false => out.push('='),
            }
        }
    }
    out
}

#[virtine]
pub fn base64_decode(text: &str) -> Result<Vec<u8>, String> {
    let table: HashMap<u8, u32> = ALPHABET.iter().zip(0..).map(|(&c, i)| (c, i)).collect();
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let mut block = 0;
        let mut count = 0;
        for &byte in chunk.iter().filter(|&&b| b != b'=') {
            let value = table
                .get(&byte)
                .ok_or_else(|| format!("not base64: {:?}", byte as char))?;
            block = block << 6 | value;
            count += 1;
        }
        block <<= 6 * (4 - count);
        out.extend_from_slice(&block.to_be_bytes()[1..count]);
    }
    Ok(out)
}

#[virtine]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[virtine]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok())
        .collect()
}

#[virtine]
pub fn morse(text: &str) -> String {
    static CODE: [(char, &str); 10] = [
        ('a', ".-"),
        ('b', "-..."),
        ('e', "."),
        ('h', "...."),
        ('l', ".-.."),
        ('o', "---"),
        ('r', ".-."),
        ('s', "..."),
        ('t', "-"),
        ('w', ".--"),
    ];
    text.chars()
        .map(|c| {
            CODE.iter()
                .find(|(k, _)| *k == c.to_ascii_lowercase())
                .map_or("?", |(_, v)| v)
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn quarter_round(s: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    s[a] = s[a].wrapping_add(s[b]);
    s[d] = (s[d] ^ s[a]).rotate_left(16);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_left(12);
    s[a] = s[a].wrapping_add(s[b]);
    s[d] = (s[d] ^ s[a]).rotate_left(8);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_left(7);
}

#[virtine]
pub fn chacha_block(key: [u8; 32], nonce: [u8; 12], counter: u32) -> Vec<u8> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let mut state = [
        0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 0, 0, 0, 0, 0, 0, 0, 0, counter, 0, 0, 0,
    ];
    for (slot, chunk) in state[4..12].iter_mut().zip(key.chunks_exact(4)) {
        *slot = word(chunk);
    }
    for (slot, chunk) in state[13..].iter_mut().zip(nonce.chunks_exact(4)) {
        *slot = word(chunk);
    }
    let initial = state;
    for _ in 0..10 {
        for i in 0..4 {
            quarter_round(&mut state, i, 4 + i, 8 + i, 12 + i);
        }
        for i in 0..4 {
            quarter_round(
                &mut state,
                i,
                4 + (i + 1) % 4,
                8 + (i + 2) % 4,
                12 + (i + 3) % 4,
            );
        }
    }
    state
        .iter()
        .zip(initial)
        .flat_map(|(a, b)| a.wrapping_add(b).to_le_bytes())
        .collect()
}

#[virtine]
pub fn rc4(key: &[u8], data: Vec<u8>) -> Vec<u8> {
    let mut s: [u8; 256] = std::array::from_fn(|i| i as u8);
    let mut j = 0u8;
    for i in 0..256 {
        j = j.wrapping_add(s[i]).wrapping_add(key[i % key.len()]);
        s.swap(i, j as usize);
    }
    let (mut i, mut j) = (0u8, 0u8);
    data.into_iter()
        .map(|byte| {
            i = i.wrapping_add(1);
            j = j.wrapping_add(s[i as usize]);
            s.swap(i as usize, j as usize);
            byte ^ s[s[i as usize].wrapping_add(s[j as usize]) as usize]
        })
        .collect()
}

#[virtine]
pub fn xtea_encrypt(mut block: [u32; 2], key: [u32; 4]) -> [u32; 2] {
    const DELTA: u32 = 0x9E37_79B9;
    let mut sum = 0u32;
    for _ in 0..32 {
        let [ref mut v0, ref mut v1] = block;
        *v0 = v0.wrapping_add(
            (*v1 << 4 ^ *v1 >> 5).wrapping_add(*v1) ^ sum.wrapping_add(key[(sum & 3) as usize]),
        );
        sum = sum.wrapping_add(DELTA);
        *v1 = v1.wrapping_add(
            (*v0 << 4 ^ *v0 >> 5).wrapping_add(*v0)
                ^ sum.wrapping_add(key[(sum >> 11 & 3) as usize]),
        );
    }
    block
}

#[virtine]
pub fn substitution(text: &str, from: &str, to: &str) -> String {
    let map: HashMap<char, char> = from.chars().zip(to.chars()).collect();
    text.chars().map(|c| *map.get(&c).unwrap_or(&c)).collect()
}
