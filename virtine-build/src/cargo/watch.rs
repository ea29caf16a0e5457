//! Tells cargo which files to watch: every file that goes into an image, so that no edit leaves a stale image.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::files::rust_files;
use crate::cargo::environment::Environment;
use crate::cargo::package::{Dependency, Package};
use crate::cargo::profile;
use crate::report;

/// Watches all files that were read.
///
/// Of the package these are the `sources`, and the folders in which cargo looks for targets.
/// Of path dependencies these are all sources, because a dependency may fail to compile before its files
/// are listed.
pub(crate) fn sources(
    package: &Package,
    environment: &Environment,
    sources: impl Iterator<Item = PathBuf>,
) -> Result<(), Error> {
    let root = &package.workspace_root;
    let mut files = BTreeSet::from([environment.manifest_dir.join("Cargo.toml")]);
    let shared = [root.join("Cargo.lock"), root.join("Cargo.toml")];
    files.extend(shared.into_iter().filter(|file| file.is_file()));
    // The build script itself writes those in OUT_DIR. Cargo would run it again at every build.
    files.extend(sources.filter(|file| !file.starts_with(&environment.out_dir)));
    let dependencies = package.dependencies.iter().filter_map(guest_folder);
    for folder in dependencies.chain(package.patches.folders()) {
        files.insert(folder.join("Cargo.toml"));
        rust_files(&folder.join("src"), &mut files);
    }
    // The guest's half of the runtime is not part of any host crate, so cargo does not watch it.
    rust_files(&Path::new(virtine_rt::MANIFEST_DIR).join("src"), &mut files);
    // Where cargo finds targets that no file names. It would take a folder that is not there for changed, always.
    let folders = ["src", "examples", "tests", "benches"];
    let folders = folders.map(|name| environment.manifest_dir.join(name));
    files.extend(folders.into_iter().filter(|folder| folder.is_dir()));
    files.insert(report::prepare_to_be_asked(&environment.out_dir)?);
    for file in files {
        rerun_if("changed", file.display());
    }
    let profile = profile::own_variable(&environment.out_dir);
    for name in Environment::watched()
        .map(str::to_owned)
        .into_iter()
        .chain(profile)
    {
        rerun_if("env-changed", name);
    }
    Ok(())
}

/// Watches what the nested cargo compiled outside registries. It writes a list of files beside each library.
pub(crate) fn compiled(environment: &Environment) {
    let built = environment.out_dir.join(report::FOLDER).join("target");
    let libraries = built.join(&environment.target).join("release");
    let lists = fs::read_dir(libraries).into_iter().flatten().flatten();
    let mut files = BTreeSet::new();
    for list in lists.map(|entry| entry.path()) {
        if list.extension().is_some_and(|extension| extension == "d") {
            files.extend(listed(&fs::read_to_string(list).unwrap_or_default()));
        }
    }
    files.retain(|file| !file.starts_with(&environment.out_dir) && file.is_file());
    for file in files {
        rerun_if("changed", file.display());
    }
}

/// The folder of a path dependency that guests may have.
fn guest_folder(dependency: &Dependency) -> Option<&Path> {
    let is_host = dependency.package == "wasp-core";
    dependency.path.as_deref().filter(|_| !is_host)
}

/// The prerequisites of a makefile rule. A blank in a name follows a backslash.
fn listed(list: &str) -> Vec<PathBuf> {
    const BLANK: &str = "\0";
    let (_, files) = list.split_once(": ").unwrap_or_default();
    let files = files.replace("\\ ", BLANK);
    let names = files.split_whitespace();
    names.map(|name| name.replace(BLANK, " ").into()).collect()
}

/// Prints one colon: cargo refuses two in a package whose rust-version is below 1.77.
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
            listed(list),
            ["/one.rs", "/with two blanks.rs"].map(PathBuf::from)
        );
        assert_eq!(listed(""), Vec::<PathBuf>::new());
    }
}
