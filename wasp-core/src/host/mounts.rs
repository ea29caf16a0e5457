//! Mounts beneath a root, through which it shows what lies elsewhere.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, statat};

use crate::host::place::Place;

/// Whether a directory is mounted beneath the place. True if the kernel does not say. A file that is mounted stays that
/// file, whatever takes its name elsewhere.
pub(super) fn are_beneath(place: &Place) -> bool {
    let root = match place {
        Place::Directory(directory) => path_of(directory),
        Place::Named(holder, name) => path_of(holder).map(|holder| holder.join(name)),
    };
    match (root, fs::read("/proc/thread-self/mountinfo")) {
        (Some(root), Ok(table)) => beneath(&table, &root).any(|point| is_folder(&point)),
        _ => true,
    }
}

fn path_of(directory: &OwnedFd) -> Option<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd())).ok()
}

fn is_folder(point: &Path) -> bool {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let found = statat(CWD, point, flags);
    found.map_or(true, |found| {
        FileType::from_raw_mode(found.st_mode) == FileType::Directory
    })
}

/// The mount points beneath `root` in the text of `/proc/thread-self/mountinfo`. The fifth field is the mount point
/// (proc_pid_mountinfo(5)).
fn beneath(table: &[u8], root: &Path) -> impl Iterator<Item = PathBuf> {
    table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(unescaped)
        .filter(move |point| point != root && point.starts_with(root))
}

/// Spaces, tabs, newlines and backslashes are written as three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, others @ ..] = rest {
        let escape = others
            .first_chunk()
            .and_then(octal)
            .filter(|_| *first == b'\\');
        match escape {
            Some(byte) => {
                bytes.push(byte);
                rest = others.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    let text = str::from_utf8(digits).ok()?;
    u8::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found_by_where_they_are() {
        let table = b"22 1 8:1 / / rw - ext4 /dev/a rw\n\
                      23 22 0:5 / /srv/a\\040b/c rw shared:1 - tmpfs t rw\n";
        for (root, expected) in [
            ("/", true),
            ("/srv", true),
            ("/srv/a b", true),
            ("/srv/a b/c", false),
            ("/srv/a", false),
            ("/home", false),
        ] {
            let found = beneath(table, Path::new(root)).next().is_some();
            assert_eq!(found, expected, "{root}");
        }
    }
}
