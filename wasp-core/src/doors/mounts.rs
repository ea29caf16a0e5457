//! Mounts beneath a root: ways by which it shows what lies elsewhere.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::place::Place;

/// Whether anything is mounted beneath the place; yes, where the kernel does not tell.
pub(super) fn are_beneath(place: &Place) -> bool {
    let root = match place {
        Place::Directory(directory) => path_of(directory),
        Place::Named(holder, name) => path_of(holder).map(|holder| holder.join(name)),
    };
    match (root, fs::read("/proc/thread-self/mountinfo")) {
        (Some(root), Ok(table)) => any_beneath(&table, &root),
        _ => true,
    }
}

fn path_of(directory: &OwnedFd) -> Option<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd())).ok()
}

/// Looks through the text of `/proc/thread-self/mountinfo`, of which the fifth field is where something is mounted
/// (proc_pid_mountinfo(5)).
fn any_beneath(table: &[u8], root: &Path) -> bool {
    table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(unescaped)
        .any(|point| point != root && point.starts_with(root))
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
            assert_eq!(any_beneath(table, Path::new(root)), expected, "{root}");
        }
    }
}
