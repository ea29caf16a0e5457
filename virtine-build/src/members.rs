//! Which members of a static library an edit has changed, so that only programs made of them are linked
//! again.
//!
//! By comparison with a copy of the library as it was, which is quicker than any hash in a build script
//! that is compiled without optimisation.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use object::read::archive::ArchiveFile;

use crate::error::Error;
use crate::write::write_if_changed;

/// The library's members that are as they were when the copy was made.
pub(crate) struct Members {
    unchanged: BTreeSet<String>,
    library: Vec<u8>,
    copy: PathBuf,
}

impl Members {
    /// Compares `library` with `copy`, where there is one.
    pub(crate) fn compare(library: &Path, copy: PathBuf) -> Result<Self, Error> {
        let new = fs::read(library).map_err(Error::file("read", library))?;
        let old = fs::read(&copy).unwrap_or_default();
        let unchanged = match (contents(&new), contents(&old)) {
            (Some(new), Some(old)) => {
                let old: BTreeSet<(String, &[u8])> = old.into_iter().collect();
                let same = new.into_iter().filter(|member| old.contains(member));
                same.map(|(name, _)| name).collect()
            }
            _ => BTreeSet::new(),
        };
        Ok(Self {
            unchanged,
            library: new,
            copy,
        })
    }

    /// Whether all of these members are as they were.
    pub(crate) fn are_unchanged<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> bool {
        let mut names = names.into_iter();
        names.all(|name| self.unchanged.contains(&lasting(name)))
    }

    /// Once all programs are made from the library as it is.
    pub(crate) fn settle(self) -> Result<(), Error> {
        write_if_changed(&self.copy, &self.library)
    }
}

/// Names and bytes; `None` for what is no library.
fn contents(library: &[u8]) -> Option<Vec<(String, &[u8])>> {
    let archive = ArchiveFile::parse(library).ok()?;
    let members = archive.members().map(|member| {
        let member = member.ok()?;
        let name = lasting(&String::from_utf8_lossy(member.name()));
        Some((name, member.data(library).ok()?))
    });
    members.collect()
}

/// A member's name without what names the run of the compiler, as it does in an incremental build:
/// `crate.unit.run.rcgu.o`.
fn lasting(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('.').collect();
    if let [.., run, "rcgu", "o"] = parts[..]
        && !run.bytes().all(|byte| byte.is_ascii_digit())
    {
        parts.remove(parts.len() - 3);
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::lasting;

    #[test]
    fn names_of_units_outlast_a_run_of_the_compiler() {
        assert_eq!(
            lasting("guest-1.unit.0qor5xf.rcgu.o"),
            "guest-1.unit.rcgu.o"
        );
        assert_eq!(
            lasting("guest-1.c-cgu.00.rcgu.o"),
            "guest-1.c-cgu.00.rcgu.o"
        );
        assert_eq!(lasting("memcpy.o"), "memcpy.o");
    }
}
