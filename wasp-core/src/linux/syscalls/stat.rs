//! `struct stat` and `struct statx` as programs see them: without the file's owner and location on the host. Device and
//! inode numbers are the call's own.

use rustix::fs::{Stat, major, minor};
use virtine_rt::abi::requests::{STAT_SIZE, stat};

/// Offsets of fields that differ from the ABI's: `st_blksize` and `st_blocks`.
const BLOCK_SIZE: usize = 56;
const BLOCKS: usize = 64;
/// A good size for reads and writes.
const GOOD_SIZE: u32 = 4096;

/// Bytes of `struct statx` (linux/stat.h).
const EXTENDED_SIZE: usize = 256;
const STATX_BASIC_STATS: u32 = 0x7ff;
const DEVICE_MAJOR: usize = 136;
const DEVICE_MINOR: usize = 140;

/// The bytes of a `struct stat`.
pub(super) fn encode(from: &Stat) -> [u8; STAT_SIZE] {
    let mut bytes = crate::host::metadata::encode(from);
    put(&mut bytes, BLOCK_SIZE, &u64::from(GOOD_SIZE).to_le_bytes());
    put(&mut bytes, BLOCKS, &from.st_blocks.to_le_bytes());
    bytes
}

/// The bytes of a `struct statx`.
pub(super) fn encode_extended(from: &Stat) -> [u8; EXTENDED_SIZE] {
    let plain = encode(from);
    let mut bytes = [0; EXTENDED_SIZE];
    put(&mut bytes, 0, &STATX_BASIC_STATS.to_le_bytes());
    put(&mut bytes, 4, &GOOD_SIZE.to_le_bytes());
    let same = [
        (stat::LINKS, 16, 4),
        (stat::INODE, 32, 8),
        (stat::MODE, 28, 2),
        (stat::SIZE, 40, 8),
        (BLOCKS, 48, 8),
        (stat::ACCESSED, 64, 12),
        (stat::CHANGED, 96, 12),
        (stat::MODIFIED, 112, 12),
    ];
    for (at, to, length) in same {
        let value = plain.get(at..at + length).unwrap_or_default();
        put(&mut bytes, to, value);
    }
    let device = from.st_dev;
    put(&mut bytes, DEVICE_MAJOR, &major(device).to_le_bytes());
    put(&mut bytes, DEVICE_MINOR, &minor(device).to_le_bytes());
    bytes
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}
