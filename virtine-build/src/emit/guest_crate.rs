//! Writes the guest crates: masked copies of the user's files, in a workspace.
//!
//! ```text
//! OUT_DIR/virtine/crate/Cargo.toml            a separate workspace
//!                      /Cargo.lock            the user's, for the same versions without network
//!                      /<target>/Cargo.toml
//!                      /<target>/<absolute path of each source file>
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::base::error::Error;
use crate::base::files::{remove_others, write_if_changed};
use crate::cargo::package::Package;
use crate::emit::manifest::SCRIPT;
use crate::emit::mask::Mask;
use crate::source::files::Sources;

/// Writes the sources of one target's guest crate into `folder`.
pub(crate) fn write_sources(folder: &Path, sources: &Sources, mask: &Mask) -> Result<(), Error> {
    let mut written = BTreeSet::from(["Cargo.toml", SCRIPT].map(|name| folder.join(name)));
    for (number, file) in sources.files.iter().enumerate() {
        let copy = mirrored(folder, &file.path);
        write_if_changed(&copy, mask.apply(number, file).as_bytes())?;
        written.insert(copy);
        // A source file that another one also includes as text is written once, as source.
        let is_source = |path: &PathBuf| sources.files.iter().any(|file| file.path == *path);
        for included in file.included.iter().filter(|path| !is_source(path)) {
            let bytes = fs::read(included).map_err(Error::file("read", included))?;
            let copy = mirrored(folder, included);
            write_if_changed(&copy, &bytes)?;
            written.insert(copy);
        }
    }
    remove_others(folder, &written)
}

/// The path of a file's masked copy: `folder` followed by the absolute path, so that every relative
/// `#[path]` still leads to the same file.
fn mirrored(folder: &Path, file: &Path) -> PathBuf {
    // `..` must not leave the folder.
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

/// Writes the workspace of a package's guest crates.
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
    copy_lock(folder, package)
}

/// Copies the user's lock file. The nested cargo removes from its copy what the guests do not need. Without a new copy,
/// what they need later would get any version.
pub(crate) fn copy_lock(folder: &Path, package: &Package) -> Result<(), Error> {
    match fs::read(package.workspace_root.join("Cargo.lock")) {
        Ok(text) => write_if_changed(&folder.join("Cargo.lock"), &text),
        Err(_) => Ok(()),
    }
}
