//! Which file imports from which.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::modules::{Crate, Module};
use crate::paths::paths;

/// One file's import from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The file that imports.
    pub from: PathBuf,
    /// The file that defines what is imported.
    pub to: PathBuf,
    /// The path as it is written.
    pub path: String,
}

/// All imports between the files of a crate.
#[must_use]
pub fn imports(source: &Crate) -> Vec<Import> {
    let mut found = BTreeSet::new();
    for module in &source.modules {
        let uses = module.uses.iter().map(|used| used.path.clone());
        let written: BTreeSet<_> = uses.chain(paths(module.code.clone())).collect();
        for path in written {
            let Some(to) = resolve(source, module, &path, 0) else {
                continue;
            };
            if to != module.file {
                found.insert(Import {
                    from: module.file.clone(),
                    to,
                    path: path.join("::"),
                });
            }
        }
    }
    found.into_iter().collect()
}

/// Longest chain of re-exports that is followed.
const MOST_HOPS: usize = 16;

/// The file that defines what `path` means in `module`; `None` for other crates' items, and for a module as a whole,
/// which is imported for what is in it.
fn resolve(source: &Crate, module: &Module, path: &[String], hops: usize) -> Option<PathBuf> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => descend(source, source.modules.first()?, rest, hops),
        "self" => descend(source, module, rest, hops),
        "super" => {
            let (_, parent) = module.path.split_last()?;
            let parent = source.module(parent)?;
            match rest.first().is_some_and(|next| next == "super") {
                true => resolve(source, parent, rest, hops),
                false => descend(source, parent, rest, hops),
            }
        }
        _ => descend(source, module, path, hops),
    }
}

fn descend(source: &Crate, module: &Module, path: &[String], hops: usize) -> Option<PathBuf> {
    let (first, rest) = path.split_first()?;
    if hops > MOST_HOPS {
        return None;
    }
    let below = [&module.path[..], std::slice::from_ref(first)].concat();
    if let Some(below) = source.module(&below) {
        return descend(source, below, rest, hops + 1);
    }
    if module.items.contains(first) {
        return Some(module.file.clone());
    }
    let named = |name: &Option<String>| name.as_ref() == Some(first);
    if let Some(used) = module.uses.iter().find(|used| named(&used.name)) {
        // `use x;` of an extern crate by its own name would lead here again.
        if used.path.first() == Some(first) && used.path.len() == 1 {
            return None;
        }
        let path = [&used.path[..], rest].concat();
        return resolve(source, module, &path, hops + 1);
    }
    let globs = module.uses.iter().filter(|used| used.name.is_none());
    globs
        .map(|glob| [&glob.path[..], path].concat())
        .find_map(|path| resolve(source, module, &path, hops + 1))
}
