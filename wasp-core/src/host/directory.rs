//! Directory entries, in the form of Linux's `getdents64`.

use std::mem::MaybeUninit;

use rustix::fs::{RawDir, SeekFrom, seek};
use rustix::io::Errno;

use crate::host::identities::Identities;
use crate::host::open::Open;
use crate::host::request_error::RequestError;

/// The most bytes that the kernel is asked for at a time.
pub(super) const MOST: usize = 32 << 10;
/// Bytes of `struct linux_dirent64` before the name.
const HEADER: usize = 19;

/// Fills `buffer` with the next entries, each as a `struct linux_dirent64`, with the call's own inode numbers.
pub(super) fn read(open: &Open, own: &Identities, buffer: &mut [u8]) -> Result<u64, RequestError> {
    let mut from_kernel = [MaybeUninit::uninit(); MOST];
    let room = buffer.len().min(MOST);
    let mut entries = RawDir::new(open.descriptor(), &mut from_kernel[..room]);
    let mut filled = 0;
    let mut position = None;
    while !(entries.is_buffer_empty() && filled > 0) {
        let Some(entry) = entries.next() else { break };
        let entry = entry?;
        let name = entry.file_name().to_bytes_with_nul();
        let length = (HEADER + name.len()).next_multiple_of(8);
        let Some(place) = buffer.get_mut(filled..filled + length) else {
            // The kernel's records are no shorter, so the directory has changed meanwhile.
            break;
        };
        place.fill(0);
        let cookie = entry.next_entry_cookie();
        place[..8].copy_from_slice(&own.inode(entry.ino()).to_le_bytes());
        place[8..16].copy_from_slice(&cookie.to_le_bytes());
        place[16..18].copy_from_slice(&(length as u16).to_le_bytes());
        place[18] = kind(entry.file_type());
        place[HEADER..HEADER + name.len()].copy_from_slice(name);
        filled += length;
        position = Some(cookie);
    }
    // Entries that the kernel returned beyond that are for the next call.
    if let (Some(position), false) = (position, entries.is_buffer_empty()) {
        seek(open.descriptor(), SeekFrom::Start(position)).map_err(|_| Errno::IO)?;
    }
    Ok(filled as u64)
}

/// `d_type`: the file type's bits of `st_mode` (readdir(3)).
const fn kind(kind: rustix::fs::FileType) -> u8 {
    (kind.as_raw_mode() >> 12) as u8
}
