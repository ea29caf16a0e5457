//! The guest crates on disk: masked copies of the user's files, and the workspace around them.
//!
//! ```text
//! OUT_DIR/virtine/crate/Cargo.toml            a workspace of its own
//!                      /Cargo.lock            the user's, for the same versions offline
//!                      /<target>/Cargo.toml
//!                      /<target>/<absolute path of each source file>
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::Error;
use crate::mask::Mask;
use crate::package::{Package, TargetRoot};
use crate::source::Sources;
use crate::write::write_if_changed;

/// The name of each guest's package and library, from which cargo makes file names.
pub(crate) fn guest_name(target: &TargetRoot) -> String {
    format!("guest-{}", target.target.folder.replace('_', "-"))
}

/// Writes one target's guest crate into `folder`.
pub(crate) fn write_crate(folder: &Path, sources: &Sources, mask: &Mask) -> Result<(), Error> {
    let mut written = BTreeSet::from([folder.join("Cargo.toml")]);
    for (number, file) in sources.files.iter().enumerate() {
        let copy = mirrored(folder, &file.path);
        write_if_changed(&copy, mask.apply(number, file).as_bytes())?;
        written.insert(copy);
        // A source file that another one includes as text stays the source that it is.
        let is_source = |path: &PathBuf| sources.files.iter().any(|file| file.path == *path);
        for included in file.included.iter().filter(|path| !is_source(path)) {
            let bytes = fs::read(included).map_err(Error::file("read", included))?;
            let copy = mirrored(folder, included);
            write_if_changed(&copy, &bytes)?;
            written.insert(copy);
        }
    }
    crate::write::remove_others(folder, &written)
}

/// Where a source file's masked copy lies: under its whole absolute path, so that every `#[path]`
/// between files still leads from one to the other.
fn mirrored(folder: &Path, file: &Path) -> PathBuf {
    // `..` would leave the folder.
    let mut copy = folder.to_owned();
    for component in file.components() {
        match component {
            Component::Normal(name) => copy.push(name),
            Component::ParentDir => _ = copy.pop(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    copy
}

/// Writes what all guest crates of a package share.
pub(crate) fn write_workspace(
    folder: &Path,
    members: &[&str],
    package: &Package,
) -> Result<(), Error> {
    let members: Vec<String> = members.iter().map(|member| format!("{member:?}")).collect();
    let manifest = format!(
        "[workspace]\nresolver = \"2\"\nmembers = [{}]\n{}",
        members.join(", "),
        package.patches.tables()
    );
    write_if_changed(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    copy_lock(folder, &package.workspace_root.join("Cargo.lock"))
}

/// The nested cargo completes the lock file with the guests' own names, so what is compared is the
/// text that was copied last.
fn copy_lock(folder: &Path, lock: &Path) -> Result<(), Error> {
    let Ok(text) = fs::read(lock) else {
        return Ok(());
    };
    let copied = folder.join("Cargo.lock.copied");
    if fs::read(&copied).is_ok_and(|old| old == text) {
        return Ok(());
    }
    write_if_changed(&folder.join("Cargo.lock"), &text)?;
    write_if_changed(&copied, &text)
}
