//! Checks that a file's new name grants no more than the name it has.
//!
//! Rights come from roots. A root is a directory or a name in one, not a spelling of a path. So a place has the rights
//! of every root on the way up from its directory. Directories are compared by device and inode.
//!
//! For a file's old name, only what the policy grants for certain counts. For its new name, everything counts that a
//! policy of these roots could grant there if it were first used now: a root may have been recreated, may not exist
//! yet, or may show the place through a mount.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, openat, statx};
use rustix::io::Errno;

use crate::host::mounts;
use crate::host::place::{DIRECTORY, Name, Place};
use crate::host::roots::{Grant, Roots};

/// What identifies a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: (u32, u32),
    inode: u64,
}

/// A directory and all those above it.
struct Way(Vec<Identity>);

/// Deeper directories than this have no path that a guest could write (PATH_MAX).
const DEEPEST: usize = 4096;

impl Roots {
    /// Whether `new` grants no rights to a file that `old` does not grant.
    pub(super) fn open_no_further(&self, old: &Name, new: &Name) -> Result<bool, Errno> {
        // This includes roots that did not exist until now or that other calls are creating right now.
        self.settle();
        let (old_way, new_way) = (Way::up(&old.directory)?, Way::up(&new.directory)?);
        let before = self.granted(&old_way, &old.name);
        let after = self.possible(&new_way, &new.name);
        // A process that sees one name of a directory sees the other, wherever that directory is mounted.
        let same_directory = old_way.0.first() == new_way.0.first();
        let after = match same_directory || before.includes(self.everything()) {
            true => after,
            false => after.and(self.mounted()),
        };
        Ok(before.includes(after))
    }

    /// What the policy certainly grants for a name.
    fn granted(&self, way: &Way, name: &OsStr) -> Grant {
        let holding = self.iter().filter(|root| {
            let place = root.place(self.start());
            place.is_ok_and(|place| way.is_beneath(place) || way.is_in(place, |own| own == name))
        });
        union(holding.map(|root| root.grant))
    }

    /// What these roots may grant for a name. A root that cannot be found could turn up anywhere.
    fn possible(&self, way: &Way, name: &OsStr) -> Grant {
        let holds =
            |place: &Place| way.is_beneath(place) || way.is_in(place, |own| alike(own, name));
        let holding = self.iter().filter(|root| {
            let known = root.place(self.start()).is_ok_and(holds);
            known || root.anew(self.start()).map_or(true, |place| holds(&place))
        });
        union(holding.map(|root| root.grant))
    }

    fn everything(&self) -> Grant {
        union(self.iter().map(|root| root.grant))
    }

    /// What those roots grant in which other file systems or directories are mounted.
    fn mounted(&self) -> Grant {
        let roots = self.iter().filter(|root| {
            let place = root.place(self.start());
            place.map_or(true, mounts::are_beneath)
        });
        union(roots.map(|root| root.grant))
    }
}

fn union(grants: impl Iterator<Item = Grant>) -> Grant {
    grants.fold(Grant::default(), Grant::and)
}

/// Whether a file system might treat the two names as the same. Some fold case, each in its own way.
fn alike(one: &OsStr, other: &OsStr) -> bool {
    one.eq_ignore_ascii_case(other) || !(one.is_ascii() && other.is_ascii())
}

impl Way {
    /// Collects `directory` and all directories above it.
    fn up(directory: &OwnedFd) -> Result<Self, Errno> {
        let mut way = Vec::new();
        let (mut here, mut at) = (whereabouts(directory.as_fd())?, None::<OwnedFd>);
        while way.len() < DEEPEST {
            way.push(here.0);
            let from = at.as_ref().unwrap_or(directory);
            let above = openat(from, "..", DIRECTORY, Mode::empty())?;
            let next = whereabouts(above.as_fd())?;
            if next == here {
                return Ok(Self(way));
            }
            (here, at) = (next, Some(above));
        }
        Err(Errno::LOOP)
    }

    /// Whether the directory is a root or lies beneath one.
    fn is_beneath(&self, place: &Place) -> bool {
        let root = match place {
            Place::Directory(directory) => {
                whereabouts(directory.as_fd()).map(|(identity, _)| identity)
            }
            Place::Named(holder, name) => directory_in(holder, name),
        };
        root.is_ok_and(|root| self.0.contains(&root))
    }

    /// Whether the directory holds a root whose name satisfies `is_name`.
    fn is_in(&self, place: &Place, is_name: impl Fn(&OsStr) -> bool) -> bool {
        match place {
            Place::Directory(_) => false,
            Place::Named(holder, name) => {
                let holder = whereabouts(holder.as_fd()).ok();
                holder.map(|(identity, _)| identity).as_ref() == self.0.first() && is_name(name)
            }
        }
    }
}

/// Identifies a directory and the mount through which it is seen. Before Linux 5.8, mounts cannot be told apart.
fn whereabouts(directory: BorrowedFd<'_>) -> Result<(Identity, u64), Errno> {
    let flags = StatxFlags::INO | StatxFlags::MNT_ID;
    let found = statx(directory, "", AtFlags::EMPTY_PATH, flags)?;
    let identity = Identity {
        device: (found.stx_dev_major, found.stx_dev_minor),
        inode: found.stx_ino,
    };
    Ok((identity, found.stx_mnt_id))
}

/// The directory with this name, if there is one.
fn directory_in(holder: &OwnedFd, name: &OsStr) -> Result<Identity, Errno> {
    let directory = openat(holder, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    Ok(whereabouts(directory.as_fd())?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_file_system_might_take_for_one_are_alike() {
        let alike = |one, other| alike(OsStr::new(one), OsStr::new(other));
        assert!(alike("config", "config") && alike("config", "CONFIG"));
        // U+212A is K in lower case. File systems may have more such rules.
        assert!(alike("k", "\u{212a}") && alike("\u{e4}", "a\u{308}"));
        assert!(!alike("config", "config2") && !alike("a", "b"));
    }
}
