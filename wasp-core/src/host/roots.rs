//! The files and directories that a policy grants, and paths beneath them.
//!
//! A guest's path begins, component by component, with that of a root. The longest such root with the requested rights
//! counts. It is located when the policy is first used (see `place`), and the rest of the path is resolved from there.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::host::path::plain;
use crate::host::place::{DIRECTORY, Name, Place};

/// What may be done with files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Grant {
    pub(super) const READ: Self = Self {
        read: true,
        write: false,
    };
    pub(super) const WRITE: Self = Self {
        read: false,
        write: true,
    };

    pub(super) const fn includes(self, needed: Self) -> bool {
        (self.read || !needed.read) && (self.write || !needed.write)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            read: self.read || other.read,
            write: self.write || other.write,
        }
    }
}

/// Everything that a policy grants.
#[derive(Clone, Debug, Default)]
pub(super) struct Roots {
    roots: Vec<Root>,
    /// Where relative paths start. Shared with the policy's clones, like the places of their roots.
    start: Arc<OnceLock<OwnedFd>>,
}

#[derive(Clone, Debug)]
pub(super) struct Root {
    path: PathBuf,
    pub(super) grant: Grant,
    place: Arc<OnceLock<Place>>,
}

/// A guest's path: a root and the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beneath<'a> {
    root: &'a Root,
    start: BorrowedFd<'a>,
    /// Relative. Empty for the root itself.
    rest: &'a Path,
}

impl Roots {
    /// Adds rights to a root.
    pub(super) fn grant(&mut self, path: &Path, added: Grant) {
        let path = plain(path);
        match self.roots.iter_mut().find(|root| root.path == path) {
            Some(Root { grant, .. }) => *grant = grant.and(added),
            None => self.roots.push(Root {
                path,
                grant: added,
                place: Arc::default(),
            }),
        }
    }

    /// The longest root with these rights that contains `path`.
    pub(super) fn find<'a>(&'a self, path: &'a Path, needed: Grant) -> Option<Beneath<'a>> {
        self.settle();
        let holding = self.roots.iter().filter_map(|root| {
            let rest = root.rest_of(path)?;
            root.grant.includes(needed).then_some((root, rest))
        });
        let (root, rest) = holding.max_by_key(|(root, _)| root.path.components().count())?;
        let start = self.start();
        Some(Beneath { root, start, rest })
    }

    /// Whether `path` lies beneath a root with these rights, judging by its spelling.
    pub(super) fn hold(&self, path: &Path, needed: Grant) -> bool {
        let mut roots = self.roots.iter();
        roots.any(|root| root.grant.includes(needed) && root.rest_of(path).is_some())
    }

    /// Locates each root that has not been located yet.
    pub(super) fn settle(&self) {
        for root in &self.roots {
            // A root that does not exist is looked up again at the next use.
            let _ = root.place(self.start());
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter()
    }

    /// The host's current directory, as it was when the policy was first used.
    pub(super) fn start(&self) -> BorrowedFd<'_> {
        if let Some(start) = self.start.get() {
            return start.as_fd();
        }
        match openat(CWD, ".", DIRECTORY, Mode::empty()) {
            Ok(start) => self.start.get_or_init(|| start).as_fd(),
            // It is gone, or the host has no descriptors left. Absolute paths do not need it.
            Err(_) => CWD,
        }
    }
}

impl Root {
    fn rest_of<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        // Every path begins with the empty path, which means the current directory here.
        let alike = path.is_absolute() == self.path.is_absolute();
        alike.then(|| path.strip_prefix(&self.path).ok()).flatten()
    }

    /// The root's place.
    pub(super) fn place(&self, start: BorrowedFd<'_>) -> Result<&Place, Errno> {
        if let Some(place) = self.place.get() {
            return Ok(place);
        }
        let found = Place::find(start, &self.path)?;
        Ok(self.place.get_or_init(|| found))
    }

    /// Where a policy that is first used now would find it.
    pub(super) fn anew(&self, start: BorrowedFd<'_>) -> Result<Place, Errno> {
        Place::find(start, &self.path)
    }
}

impl Beneath<'_> {
    /// Opens it. A path that leaves the root fails with [`Errno::XDEV`].
    pub(super) fn open(self, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        self.place()?.open(self.rest, flags, mode)
    }

    /// The directory that holds it, and its name there. `None` for a root, whose directory is not granted, and for
    /// `..`.
    pub(super) fn parent(self) -> Result<Option<Name>, Errno> {
        self.place()?.parent(self.rest)
    }

    /// Whether it is a root itself.
    pub(super) fn is_root(self) -> bool {
        self.rest.as_os_str().is_empty()
    }

    pub(super) fn place(&self) -> Result<&Place, Errno> {
        self.root.place(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots() -> Roots {
        let mut roots = Roots::default();
        roots.grant(Path::new("data"), Grant::READ);
        roots.grant(Path::new("./data/out/"), Grant::WRITE);
        roots.grant(Path::new("/srv"), Grant::READ);
        roots.grant(Path::new("/srv"), Grant::WRITE);
        roots
    }

    fn found(path: &str, needed: Grant) -> Option<(String, String)> {
        let (roots, path) = (roots(), plain(Path::new(path)));
        let Beneath { root, rest, .. } = roots.find(&path, needed)?;
        Some((root.path.display().to_string(), rest.display().to_string()))
    }

    #[test]
    fn longest_root_with_the_rights_counts() {
        let some = |root: &str, rest: &str| Some((root.to_owned(), rest.to_owned()));
        assert_eq!(found("data/a", Grant::READ), some("data", "a"));
        assert_eq!(found("./data//./a", Grant::READ), some("data", "a"));
        assert_eq!(found("data/out/a", Grant::WRITE), some("data/out", "a"));
        assert_eq!(found("data/out/a", Grant::READ), some("data", "out/a"));
        assert_eq!(found("/srv", Grant::WRITE), some("/srv", ""));
        for path in [
            "database",
            "data2/a",
            "/data/a",
            "srv/a",
            "../data/a",
            "x/../data/a",
            "",
        ] {
            assert_eq!(found(path, Grant::READ), None, "{path}");
        }
        assert_eq!(found("data/a", Grant::WRITE), None);
    }

    #[test]
    fn current_directory_is_not_the_whole_system() {
        let mut roots = Roots::default();
        roots.grant(Path::new("."), Grant::READ);
        assert!(roots.find(Path::new("a"), Grant::READ).is_some());
        assert!(roots.find(Path::new("/etc/passwd"), Grant::READ).is_none());
    }
}
