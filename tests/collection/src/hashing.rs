//! Hashes and checksums.

use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use wasp_core::virtine;

#[virtine]
pub fn fnv1a(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf29ce484222325, |hash, &byte| {
        (hash ^ byte as u64).wrapping_mul(0x100000001b3)
    })
}

#[virtine]
pub fn djb2(text: &str) -> u32 {
    text.bytes().fold(5381u32, |hash, b| {
        hash.wrapping_shl(5)
            .wrapping_add(hash)
            .wrapping_add(b.into())
    })
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

static CRC_TABLE: [u32; 256] = crc_table();

#[virtine]
pub fn crc32(data: &[u8]) -> u32 {
    !data
        .iter()
        .fold(!0, |crc, &b| CRC_TABLE[(crc as u8 ^ b) as usize] ^ crc >> 8)
}

#[virtine]
pub fn adler32(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1u32, 0u32), |(a, b), &byte| {
        let a = (a + byte as u32) % 65521;
        (a, (b + a) % 65521)
    });
    b << 16 | a
}

#[virtine]
pub fn fletcher16(data: Vec<u8>) -> u16 {
    let mut sums = (0u16, 0u16);
    for byte in data {
        sums.0 = (sums.0 + u16::from(byte)) % 255;
        sums.1 = (sums.1 + sums.0) % 255;
    }
    sums.1 << 8 | sums.0
}

#[virtine]
pub fn sip_hash(name: &str, number: i32, list: Vec<u16>) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    number.hash(&mut hasher);
    list.hash(&mut hasher);
    (name, 'x', Some(true)).hash(&mut hasher);
    hasher.finish()
}

#[derive(Default)]
struct Summing(u64);

impl Hasher for Summing {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 += bytes.iter().map(|&b| u64::from(b)).sum::<u64>();
    }
}

#[virtine]
pub fn own_hasher(words: Vec<String>) -> (usize, u64) {
    let mut set = std::collections::HashSet::<String, BuildHasherDefault<Summing>>::default();
    for word in &words {
        set.insert(word.clone());
    }
    let mut hasher = Summing::default();
    words.iter().for_each(|word| word.hash(&mut hasher));
    (set.len(), hasher.finish())
}

#[virtine]
pub fn murmur3(data: &[u8], seed: u32) -> u32 {
    const C1: u32 = 0xcc9e2d51;
    const C2: u32 = 0x1b873593;
    let mut h = seed;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        h ^= k.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
        h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe6546b64);
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        let k = tail.iter().rev().fold(0u32, |k, &b| k << 8 | u32::from(b));
        h ^= k.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    }
    h ^= data.len() as u32;
    h ^= h >> 16;
    h = h.wrapping_mul(0x85ebca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2ae35);
    h ^ h >> 16
}

pub struct Sha256 {
    state: [u32; 8],
}

impl Sha256 {
    const K: [u32; 64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
    ];

    fn block(&mut self, block: &[u8]) {
        let mut w = [0u32; 64];
        for (i, word) in block.chunks(4).enumerate() {
            w[i] = u32::from_be_bytes(word.try_into().expect("four bytes"));
        }
        for i in 16..64 {
            let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
            let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
            w[i] = w[i - 16]
                .wrapping_add(s0)
                .wrapping_add(w[i - 7])
                .wrapping_add(s1);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = self.state;
        for i in 0..64 {
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let t1 = h
                .wrapping_add(s1)
                .wrapping_add((e & f) ^ (!e & g))
                .wrapping_add(Self::K[i])
                .wrapping_add(w[i]);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let t2 = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
        }
        for (slot, value) in self.state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *slot = slot.wrapping_add(value);
        }
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Sha256 {
            state: [
                0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
                0x5be0cd19,
            ],
        }
    }
}

#[virtine]
pub fn sha256(message: &[u8]) -> [u8; 32] {
    let mut sha = Sha256::default();
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    padded.chunks(64).for_each(|block| sha.block(block));
    let mut out = [0; 32];
    for (chunk, word) in out.chunks_mut(4).zip(sha.state) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    out
}

#[virtine]
pub fn merkle_root(leaves: Vec<Vec<u8>>) -> Option<[u8; 32]> {
    let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| sha256(leaf)).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| sha256(&[pair[0], *pair.last().unwrap()].concat()))
            .collect();
    }
    level.pop()
}

#[virtine]
pub fn xorshift(mut seed: u64, count: usize) -> Vec<u64> {
    (0..count)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        })
        .collect()
}

#[virtine]
pub fn parity(bytes: [u8; 8]) -> u8 {
    bytes
        .into_iter()
        .map(|b| b.count_ones() as u8 & 1)
        .fold(0, |acc, bit| acc << 1 | bit)
}
