//! Where a root lies: found by its path once, and by descriptors from then on.
//!
//! The kernel resolves a guest's path from there, and cannot leave the root (`openat2` with RESOLVE_BENEATH, Linux
//! 5.6): not through `..`, symbolic links, /proc's magic links, or a rename at the same time.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat, statat,
};
use rustix::io::Errno;

/// Flags for a directory in which only names are looked up.
pub(super) const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Linux's own limit of symbolic links in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Where a root lies.
#[derive(Debug)]
pub(super) enum Place {
    /// A directory, whatever its name is by now.
    Directory(OwnedFd),
    /// The entry of this directory with this name, unless it is a symbolic link.
    Named(OwnedFd, OsString),
}

/// A name in a directory.
pub(super) struct Name {
    pub(super) directory: OwnedFd,
    pub(super) name: OsString,
}

impl Place {
    /// Resolves a host path from `start` on. Symbolic links in it are followed.
    pub(super) fn find(start: BorrowedFd<'_>, path: &Path) -> Result<Self, Errno> {
        match openat(start, or_here(path), DIRECTORY, Mode::empty()) {
            Ok(directory) => Ok(Self::Directory(directory)),
            Err(Errno::NOENT | Errno::NOTDIR) => Self::named(start, path),
            Err(errno) => Err(errno),
        }
    }

    /// The directory that actually holds the file, and its name there.
    fn named(start: BorrowedFd<'_>, path: &Path) -> Result<Self, Errno> {
        let mut path = path.to_owned();
        let mut from: Option<OwnedFd> = None;
        for _ in 0..MAX_LINKS {
            let start = from.as_ref().map_or(start, |from| from.as_fd());
            let (parent, name) = path.parent().zip(path.file_name()).ok_or(Errno::NOENT)?;
            let holder = openat(start, or_here(parent), DIRECTORY, Mode::empty())?;
            match statat(&holder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Symlink => {
                    let target = readlinkat(&holder, name, Vec::new())?;
                    path = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    from = Some(holder);
                }
                Ok(_) | Err(Errno::NOENT) => return Ok(Self::Named(holder, name.to_owned())),
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::LOOP)
    }

    /// Opens the file at `rest` beneath the root, or the root itself if `rest` is empty. A path that leaves the root
    /// fails with [`Errno::XDEV`].
    pub(super) fn open(&self, rest: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        match self {
            Self::Directory(directory) => beneath(directory.as_fd(), or_here(rest), flags, mode),
            Self::Named(holder, name) if rest.as_os_str().is_empty() => {
                itself(holder, name, flags, mode)
            }
            Self::Named(holder, name) => {
                let directory = itself(holder, name, DIRECTORY, Mode::empty())?;
                beneath(directory.as_fd(), rest, flags, mode)
            }
        }
    }

    /// The directory that holds the file at `rest`, and its name there. `None` for the root itself, whose directory is
    /// not granted, and for `..`.
    pub(super) fn parent(&self, rest: &Path) -> Result<Option<Name>, Errno> {
        let Some((parent, name)) = rest.parent().zip(rest.file_name()) else {
            return Ok(None);
        };
        Ok(Some(Name {
            directory: self.open(parent, DIRECTORY, Mode::empty())?,
            name: name.to_owned(),
        }))
    }
}

fn beneath(
    directory: BorrowedFd<'_>,
    rest: &Path,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    again(|| openat2(directory, rest, flags, mode, resolve))
}

fn itself(holder: &OwnedFd, name: &OsStr, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    again(|| openat2(holder, name, flags, mode, resolve))
}

/// The path, or `.` if it has no components left.
pub(super) fn or_here(path: &Path) -> &Path {
    match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    }
}

/// The kernel gives up if something is renamed meanwhile. This many failures in a row are more than bad luck.
const ATTEMPTS: usize = 16;

fn again<T>(mut attempt: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    attempt()
}
