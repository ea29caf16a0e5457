//! What cargo is to watch: every file that an image is made of, so that no edit leaves a stale one.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::package::{Dependency, Package};
use crate::pipeline::Crate;
use crate::report;
use crate::source;

/// The package's own sources, exactly those that were read: a module cannot be added without an edit to its
/// parent. Of dependencies that lie beside the package what may be read, as one may fail to compile.
pub(crate) fn what_was_read(package: &Package, environment: &Environment, crates: &[Crate<'_>]) {
    let root = &package.workspace_root;
    let mut files = BTreeSet::from([environment.manifest_dir.join("Cargo.toml")]);
    let shared = [root.join("Cargo.lock"), root.join("Cargo.toml")];
    files.extend(shared.into_iter().filter(|file| file.is_file()));
    for one in crates {
        files.extend(one.sources.files.iter().map(|file| file.path.clone()));
        let included = one.sources.files.iter().flat_map(|file| &file.included);
        files.extend(included.cloned());
        files.extend(one.sources.unparsed.iter().cloned());
    }
    let beside = package.dependencies.iter().filter_map(in_guests);
    for folder in beside.chain(package.patches.folders()) {
        files.insert(folder.join("Cargo.toml"));
        source::rust_files(&folder.join("src"), &mut files);
    }
    // The guest's half of the runtime is no part of any host crate, so nothing else watches it.
    source::rust_files(&Path::new(virtine_rt::MANIFEST_DIR).join("src"), &mut files);
    for file in files {
        rerun_if("changed", file.display());
    }
    for name in Environment::watched() {
        rerun_if("env-changed", name);
    }
}

/// What the nested cargo has compiled outside registries, by the lists that it leaves beside each library.
pub(crate) fn what_was_compiled(environment: &Environment) {
    let built = environment.out_dir.join(report::FOLDER).join("target");
    let libraries = built.join(&environment.target).join("release");
    let lists = fs::read_dir(libraries).into_iter().flatten().flatten();
    let mut files = BTreeSet::new();
    for list in lists.map(|entry| entry.path()) {
        if list.extension().is_some_and(|extension| extension == "d") {
            files.extend(sources(&fs::read_to_string(list).unwrap_or_default()));
        }
    }
    files.retain(|file| !file.starts_with(&environment.out_dir) && file.is_file());
    for file in files {
        rerun_if("changed", file.display());
    }
}

fn in_guests(dependency: &Dependency) -> Option<&Path> {
    let is_host = dependency.package == "wasp-core";
    dependency.path.as_deref().filter(|_| !is_host)
}

/// The files behind the colon of a rule of make's, in which a blank of a name stands behind a backslash.
fn sources(list: &str) -> Vec<PathBuf> {
    const BLANK: &str = "\0";
    let (_, files) = list.split_once(": ").unwrap_or_default();
    let files = files.replace("\\ ", BLANK);
    let names = files.split_whitespace();
    names.map(|name| name.replace(BLANK, " ").into()).collect()
}

/// One colon: cargo refuses two in a package whose rust-version is below 1.77.
#[expect(
    clippy::print_stdout,
    reason = "cargo reads a build script's standard output"
)]
fn rerun_if(what: &str, name: impl Display) {
    println!("cargo:rerun-if-{what}={name}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_blanks_stay_whole() {
        let list = "/t/a\\ b/libguest.a: /one.rs /with\\ two\\ blanks.rs\n";
        assert_eq!(
            sources(list),
            ["/one.rs", "/with two blanks.rs"].map(PathBuf::from)
        );
        assert_eq!(sources(""), Vec::<PathBuf>::new());
    }
}
