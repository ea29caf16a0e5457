//! `struct stat` as guests see it: without the file's owner and location on the host. Device and inode are those that
//! `identities` made up.

use rustix::fs::Stat;
use virtine_rt::abi::requests::{STAT_SIZE, stat};

/// The bytes that the guest gets.
pub(crate) fn encode(from: &Stat) -> [u8; STAT_SIZE] {
    let mut bytes = [0; STAT_SIZE];
    let mut put = |offset: usize, value: &[u8]| {
        if let Some(place) = bytes.get_mut(offset..offset + value.len()) {
            place.copy_from_slice(value);
        }
    };
    put(stat::DEVICE, &from.st_dev.to_le_bytes());
    put(stat::INODE, &from.st_ino.to_le_bytes());
    put(stat::LINKS, &from.st_nlink.to_le_bytes());
    put(stat::MODE, &from.st_mode.to_le_bytes());
    put(stat::SIZE, &from.st_size.to_le_bytes());
    let times = [
        (stat::ACCESSED, from.st_atime, from.st_atime_nsec),
        (stat::MODIFIED, from.st_mtime, from.st_mtime_nsec),
        (stat::CHANGED, from.st_ctime, from.st_ctime_nsec),
    ];
    for (offset, seconds, nanoseconds) in times {
        put(offset, &seconds.to_le_bytes());
        put(offset + 8, &nanoseconds.to_le_bytes());
    }
    bytes
}
