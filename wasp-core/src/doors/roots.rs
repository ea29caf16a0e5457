//! The files and directories that a policy grants, and paths beneath them.
//!
//! A guest's path begins, component by component, with that of a root; the longest such root with the
//! rights that are asked for counts. What follows is the kernel's to resolve, which leaves the root on
//! no way (`openat2` with RESOLVE_BENEATH, Linux 5.6): not by `..`, not by symbolic links, not by
//! /proc's magic ones, not by a rename at the same time.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;

use super::path::plain;

/// What may be done with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Rights {
    pub(super) const READ: Self = Self {
        read: true,
        write: false,
    };
    pub(super) const WRITE: Self = Self {
        read: false,
        write: true,
    };

    const fn include(self, needed: Self) -> bool {
        (self.read || !needed.read) && (self.write || !needed.write)
    }
}

/// All that a policy grants.
#[derive(Clone, Debug, Default)]
pub(super) struct Roots(Vec<Root>);

#[derive(Clone, Debug)]
struct Root {
    path: PathBuf,
    rights: Rights,
}

/// A guest's path: a root and what follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beneath<'a> {
    root: &'a Path,
    /// Relative; empty for the root itself.
    rest: &'a Path,
}

impl Roots {
    /// Adds rights to a root.
    pub(super) fn grant(&mut self, path: &Path, added: Rights) {
        let path = plain(path);
        match self.0.iter_mut().find(|root| root.path == path) {
            Some(Root { rights, .. }) => {
                *rights = Rights {
                    read: rights.read || added.read,
                    write: rights.write || added.write,
                }
            }
            None => self.0.push(Root {
                path,
                rights: added,
            }),
        }
    }

    /// The longest root with these rights that `path` lies beneath.
    pub(super) fn find<'a>(&'a self, path: &'a Path, needed: Rights) -> Option<Beneath<'a>> {
        self.holding(path)
            .filter(|(root, _)| root.rights.include(needed))
            .max_by_key(|(root, _)| root.path.components().count())
            .map(|(root, rest)| Beneath {
                root: &root.path,
                rest,
            })
    }

    /// Whether whoever may do something with `new` may do the same with `old`: a second name for a file
    /// must not open it further.
    pub(super) fn open_no_further(&self, old: &Path, new: &Path) -> bool {
        self.holding(new)
            .all(|(root, _)| root.rest_of(old).is_some())
    }

    fn holding<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a Root, &'a Path)> {
        self.0
            .iter()
            .filter_map(move |root| Some((root, root.rest_of(path)?)))
    }
}

impl Root {
    fn rest_of<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        // Every path begins with the empty one, which is the current directory here.
        let alike = path.is_absolute() == self.path.is_absolute();
        alike.then(|| path.strip_prefix(&self.path).ok()).flatten()
    }
}

impl<'a> Beneath<'a> {
    /// Opens it. What is out of reach is [`Errno::XDEV`].
    pub(super) fn open(self, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        match self.rest.as_os_str().is_empty() {
            // The host has named it: where that is a symbolic link, it is meant.
            true => open(self.root_or_here(), flags, mode),
            false => self.resolve(self.rest, flags, mode, ResolveFlags::empty()),
        }
    }

    /// The directory that holds it, resolved as `resolve` wants, and its name there; `None` for a root,
    /// whose directory is not granted, and for `..`.
    pub(super) fn parent(
        self,
        resolve: ResolveFlags,
    ) -> Result<Option<(OwnedFd, &'a Path)>, Errno> {
        let (Some(parent), Some(name)) = (self.rest.parent(), self.rest.file_name()) else {
            return Ok(None);
        };
        let parent = match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => parent,
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = self.resolve(parent, flags, Mode::empty(), resolve)?;
        Ok(Some((directory, Path::new(name))))
    }

    fn resolve(
        self,
        rest: &Path,
        flags: OFlags,
        mode: Mode,
        resolve: ResolveFlags,
    ) -> Result<OwnedFd, Errno> {
        let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(self.root_or_here(), directory, Mode::empty())?;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | resolve;
        again(|| openat2(&root, rest, flags, mode, beneath))
    }

    fn root_or_here(self) -> &'a Path {
        match self.root.as_os_str().is_empty() {
            true => Path::new("."),
            false => self.root,
        }
    }
}

/// The kernel gives up where something is renamed meanwhile: that often is more than bad luck.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn roots() -> Roots {
        let mut roots = Roots::default();
        roots.grant(Path::new("data"), Rights::READ);
        roots.grant(Path::new("./data/out/"), Rights::WRITE);
        roots.grant(Path::new("/srv"), Rights::READ);
        roots.grant(Path::new("/srv"), Rights::WRITE);
        roots
    }

    fn found(path: &str, needed: Rights) -> Option<(String, String)> {
        let (roots, path) = (roots(), plain(Path::new(path)));
        let Beneath { root, rest } = roots.find(&path, needed)?;
        Some((root.display().to_string(), rest.display().to_string()))
    }

    #[test]
    fn longest_root_with_the_rights_counts() {
        let some = |root: &str, rest: &str| Some((root.to_owned(), rest.to_owned()));
        assert_eq!(found("data/a", Rights::READ), some("data", "a"));
        assert_eq!(found("./data//./a", Rights::READ), some("data", "a"));
        assert_eq!(found("data/out/a", Rights::WRITE), some("data/out", "a"));
        assert_eq!(found("data/out/a", Rights::READ), some("data", "out/a"));
        assert_eq!(found("/srv", Rights::WRITE), some("/srv", ""));
        for path in [
            "database",
            "data2/a",
            "/data/a",
            "srv/a",
            "../data/a",
            "x/../data/a",
            "",
        ] {
            assert_eq!(found(path, Rights::READ), None, "{path}");
        }
        assert_eq!(found("data/a", Rights::WRITE), None);
    }

    #[test]
    fn current_directory_is_not_the_whole_system() {
        let mut roots = Roots::default();
        roots.grant(Path::new("."), Rights::READ);
        assert!(roots.find(Path::new("a"), Rights::READ).is_some());
        assert!(roots.find(Path::new("/etc/passwd"), Rights::READ).is_none());
    }

    #[test]
    fn second_name_opens_a_file_no_further() {
        let roots = roots();
        let further = |old, new| !roots.open_no_further(Path::new(old), Path::new(new));
        assert!(!further("data/out/a", "data/out/b"));
        assert!(!further("data/out/a", "data/b"));
        assert!(further("data/a", "data/out/b"));
        assert!(further("/srv/a", "data/out/b"));
    }
}
