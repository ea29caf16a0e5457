//! The guest crates: the user's files with everything outside the slice blanked, and manifests.
//!
//! Blanked, not printed anew: every kept byte stays on its line and column, so that with
//! `--remap-path-prefix` the compiler's errors, panics and backtraces name the user's own files.
//!
//! ```text
//! OUT_DIR/virtine/crate/Cargo.toml            a workspace of its own
//!                      /Cargo.lock            the user's, for the same versions offline
//!                      /<target>/Cargo.toml
//!                      /<target>/<absolute path of each source file>
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use syn::UseTree;
use syn::spanned::Spanned as _;

use crate::environment::Environment;
use crate::error::Error;
use crate::index::{Index, Place};
use crate::package::{Package, TargetRoot};
use crate::slice::Slice;
use crate::source::{SourceFile, Sources};
use crate::syntax::{Function, Passing};
use crate::write::write_if_changed;

/// The name of each guest's package and library, from which cargo makes file names.
pub(crate) fn guest_name(target: &TargetRoot) -> String {
    format!("guest-{}", target.target.folder.replace('_', "-"))
}

/// One function's place in a guest crate.
pub(crate) struct Entry<'a> {
    /// The function's number in the index.
    pub(crate) item: usize,
    pub(crate) name: String,
    pub(crate) function: &'a Function,
    /// What the linker knows the function's shim by.
    pub(crate) symbol: String,
}

/// Writes one target's guest crate into `folder`.
pub(crate) fn write_crate(
    folder: &Path,
    sources: &Sources,
    index: &Index,
    slice: &Slice,
    entries: &[Entry<'_>],
) -> Result<(), Error> {
    let kept = Kept::new(index, slice, entries);
    let mut written = BTreeSet::from([folder.join("Cargo.toml")]);
    for (number, file) in sources.files.iter().enumerate() {
        let text = kept.mask(number, file);
        let copy = mirrored(folder, &file.path);
        write_if_changed(&copy, text.as_bytes())?;
        written.insert(copy);
    }
    crate::write::remove_others(folder, &written)
}

/// Where a source file's masked copy lies: under its whole absolute path, so that every `#[path]`
/// between files still leads from one to the other.
fn mirrored(folder: &Path, file: &Path) -> PathBuf {
    folder.join(file.strip_prefix("/").unwrap_or(file))
}

/// What stays of each file.
struct Kept {
    /// Kept bytes.
    ranges: Vec<Place>,
    /// Bytes inside those that go all the same.
    blanks: Vec<Place>,
    /// Text to put in, with the place behind which it goes.
    additions: Vec<(usize, usize, String)>,
}

impl Kept {
    fn new(index: &Index, slice: &Slice, entries: &[Entry<'_>]) -> Self {
        let mut kept = Self {
            ranges: Vec::new(),
            blanks: Vec::new(),
            additions: Vec::new(),
        };
        let mut modules = BTreeSet::new();
        for &number in &slice.items {
            let item = &index.items[number];
            let file = item.place.file;
            kept.ranges.push(item.place.clone());
            kept.blanks
                .extend(item.attributes.iter().map(|bytes| Place {
                    file,
                    bytes: bytes.clone(),
                }));
            modules.insert(item.module);
        }
        for (number, import) in index.imports.iter().enumerate() {
            if slice.imports.contains(&number) {
                modules.insert(import.module);
            }
        }
        kept.frames(index, modules);
        kept.uses(index, slice);
        for entry in entries {
            let place = &index.items[entry.item].place;
            kept.additions
                .push((place.file, place.bytes.end, shim(entry)));
        }
        kept
    }

    fn frames(&mut self, index: &Index, modules: BTreeSet<usize>) {
        let mut framed = BTreeSet::new();
        for module in modules {
            let mut next = Some(module);
            while let Some(module) = next.filter(|&module| framed.insert(module)) {
                self.ranges
                    .extend(index.modules[module].frame.iter().cloned());
                next = index.modules[module].parent;
            }
        }
    }

    fn uses(&mut self, index: &Index, slice: &Slice) {
        for item in &index.uses {
            let kept: Vec<bool> = item
                .imports
                .clone()
                .map(|import| slice.imports.contains(&import))
                .collect();
            if !kept.contains(&true) {
                continue;
            }
            self.ranges.push(item.place.clone());
            let mut blanks = Vec::new();
            unused(&item.tree, &mut kept.into_iter(), &mut blanks);
            let file = item.place.file;
            self.blanks
                .extend(blanks.into_iter().map(|bytes| Place { file, bytes }));
        }
    }

    /// The file's text with all but the kept bytes blanked, one space for each character.
    fn mask(&self, file: usize, source: &SourceFile) -> String {
        let mut keep = vec![false; source.text.len()];
        let in_file = |places: &[Place]| -> Vec<Range<usize>> {
            places
                .iter()
                .filter(|place| place.file == file)
                .map(|place| place.bytes.clone())
                .collect()
        };
        in_file(&self.ranges)
            .into_iter()
            .for_each(|range| keep[range].fill(true));
        in_file(&self.blanks)
            .into_iter()
            .for_each(|range| keep[range].fill(false));
        let mut text = String::with_capacity(source.text.len());
        for (at, character) in source.text.char_indices() {
            self.additions_at(file, at)
                .for_each(|addition| text.push_str(addition));
            let stays = keep[at] || matches!(character, '\n' | '\r');
            text.push(if stays { character } else { ' ' });
        }
        self.additions_at(file, source.text.len())
            .for_each(|addition| text.push_str(addition));
        text
    }

    fn additions_at(&self, file: usize, at: usize) -> impl Iterator<Item = &str> {
        self.additions
            .iter()
            .filter(move |(in_file, behind, _)| (*in_file, *behind) == (file, at))
            .map(|(.., text)| text.as_str())
    }
}

/// Adds to `blanks` what must go of a `use` tree, given for each of its imports, in order, whether
/// it stays. Returns whether any of the tree does.
fn unused(
    tree: &UseTree,
    kept: &mut impl Iterator<Item = bool>,
    blanks: &mut Vec<Range<usize>>,
) -> bool {
    match tree {
        UseTree::Path(path) => unused(&path.tree, kept, blanks),
        UseTree::Name(_) | UseTree::Rename(_) | UseTree::Glob(_) => kept.next().unwrap_or(false),
        UseTree::Group(group) => {
            let mut any = false;
            for pair in group.items.pairs() {
                let (tree, comma) = pair.into_tuple();
                let stays = unused(tree, kept, blanks);
                any |= stays;
                if !stays {
                    blanks.push(tree.span().byte_range());
                    blanks.extend(comma.map(|comma| comma.span.byte_range()));
                }
            }
            any
        }
    }
}

/// Goes on the function's last line, so no other line moves.
fn shim(entry: &Entry<'_>) -> String {
    let kinds: Vec<&str> = entry
        .function
        .parameters
        .iter()
        .map(|parameter| match parameter.passing {
            Passing::Value | Passing::Bytes => "value",
            Passing::Reference => "reference",
            Passing::Slice => "slice",
        })
        .collect();
    format!(
        " ::std::__virtine_entry! {{ {} {:?} {} }}",
        entry.name,
        entry.symbol,
        kinds.join(" ")
    )
}

/// Writes the manifest of one target's guest crate.
pub(crate) fn write_manifest(
    folder: &Path,
    target: &TargetRoot,
    environment: &Environment,
    with_serde: bool,
) -> Result<(), Error> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let root = target.file.strip_prefix("/").unwrap_or(&target.file);
    let serde = match with_serde {
        true => {
            "serde = { version = \"1\", default-features = false, features = [\"alloc\", \"derive\"] }\n"
        }
        false => "",
    };
    let features: String = environment
        .features
        .iter()
        .filter(|feature| *feature != "default")
        .map(|feature| format!("{} = []\n", quoted(feature)))
        .collect();
    let enabled: Vec<String> = environment
        .features
        .iter()
        .map(|feature| quoted(feature))
        .collect();
    let manifest = format!(
        "[package]\nname = {name}\nversion = \"0.0.0\"\nedition = {edition}\n\n\
         [lib]\npath = {path}\ncrate-type = [\"staticlib\"]\n\n\
         [features]\ndefault = [{enabled}]\n{features}\n\
         [dependencies]\n{serde}\
         std = {{ package = \"virtine-rt\", path = {runtime}, features = [\"guest\"] }}\n",
        name = quoted(&guest_name(target)),
        edition = quoted(&target.edition),
        path = quoted(&root.to_string_lossy()),
        enabled = enabled
            .iter()
            .filter(|name| *name != "\"default\"")
            .cloned()
            .collect::<Vec<_>>()
            .join(", "),
        runtime = quoted(virtine_rt::MANIFEST_DIR),
    );
    write_if_changed(&folder.join("Cargo.toml"), manifest.as_bytes())
}

/// Writes what all guest crates of a package share.
pub(crate) fn write_workspace(
    folder: &Path,
    members: &[&str],
    package: &Package,
) -> Result<(), Error> {
    let members: Vec<String> = members.iter().map(|member| format!("{member:?}")).collect();
    let manifest = format!(
        "[workspace]\nresolver = \"2\"\nmembers = [{}]\n",
        members.join(", ")
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
