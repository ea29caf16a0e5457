//! The package, its targets and its dependencies, as `cargo metadata` lists them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use crate::base::command::checked_output;
use crate::base::error::Error;
use crate::cargo::environment::Environment;
use crate::cargo::patch::Patches;
use crate::cargo::profile::overflow_checks;
use crate::cargo::target::TargetRoot;
use crate::syntax::Library;

/// The package that is being built.
#[derive(Debug)]
pub(crate) struct Package {
    /// The folder of Cargo.lock. The file names that rustc prints are relative to it.
    pub(crate) workspace_root: PathBuf,
    pub(crate) targets: Vec<TargetRoot>,
    /// The same targets for guests with the real std.
    pub(crate) with_std: Vec<TargetRoot>,
    pub(crate) version: String,
    /// Its dependencies, without those of build scripts.
    pub(crate) dependencies: Vec<Dependency>,
    /// `[package.metadata.virtine.dependencies]`, by the name that the source uses: what guests need
    /// of a dependency besides its version.
    pub(crate) guest_settings: Map<String, Value>,
    pub(crate) patches: Patches,
    /// Whether the host is built with overflow checks, if that can be known.
    pub(crate) overflow_checks: Option<bool>,
    /// `guest` in `[package.metadata.virtine]`, verbatim: the library of functions whose attribute does not say.
    pub(crate) guest: Value,
}

/// One entry of `[dependencies]` or `[dev-dependencies]`.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// The name of the package.
    pub(crate) package: String,
    /// The name that the source uses.
    pub(crate) name: String,
    /// The version requirement.
    pub(crate) requirement: String,
    /// Its folder, if it is a path dependency.
    pub(crate) path: Option<PathBuf>,
    /// Its source, as cargo writes it: `registry+..`, `git+..`.
    pub(crate) source: Option<String>,
    /// Whether the host enables its default features.
    pub(crate) default_features: bool,
    /// The features that the host enables.
    pub(crate) features: Vec<String>,
}

impl Package {
    pub(crate) fn load(environment: &Environment) -> Result<Self, Error> {
        let mut command = Command::new(&environment.cargo);
        command
            .args([
                "metadata",
                "--no-deps",
                "--offline",
                "--format-version=1",
                "--manifest-path",
            ])
            .arg(environment.manifest_dir.join("Cargo.toml"))
            .current_dir(&environment.manifest_dir);
        let output = checked_output(&mut command)?;
        let metadata: Value =
            serde_json::from_slice(&output.stdout).map_err(|e| unexpected(e.to_string()))?;
        let package = Self::from_metadata(&metadata, &environment.manifest_dir);
        let mut package = package.ok_or_else(|| {
            unexpected(format!(
                "no package at {}",
                environment.manifest_dir.display()
            ))
        })?;
        if let Some(manifest) = root_manifest(&package.workspace_root)? {
            package.patches = Patches::of(&manifest, &package.workspace_root);
            package.overflow_checks =
                overflow_checks(&environment.out_dir, &manifest, |name| env::var(name).ok());
        }
        Ok(package)
    }

    /// What guests have as `std` if their attribute does not say.
    pub(crate) fn library(&self) -> Result<Option<Library>, Error> {
        let library = self.guest.as_str().and_then(Library::of_key);
        match self.guest.is_null() || library.is_some() {
            true => Ok(library),
            false => Err(Error::Setting {
                found: self.guest.to_string(),
            }),
        }
    }

    fn from_metadata(metadata: &Value, manifest_dir: &Path) -> Option<Self> {
        let manifest = manifest_dir.join("Cargo.toml");
        let package = metadata["packages"].as_array()?.iter().find(|package| {
            package["manifest_path"]
                .as_str()
                .is_some_and(|path| Path::new(path) == manifest)
        })?;
        let targets = package["targets"].as_array()?;
        let targets: Vec<TargetRoot> = targets
            .iter()
            .filter_map(TargetRoot::from_metadata)
            .collect();
        Some(Self {
            workspace_root: metadata["workspace_root"].as_str()?.into(),
            with_std: targets.iter().map(TargetRoot::with_std).collect(),
            targets,
            version: package["version"].as_str()?.to_owned(),
            dependencies: dependencies(package["dependencies"].as_array()?),
            guest_settings: package["metadata"]["virtine"]["dependencies"]
                .as_object()
                .cloned()
                .unwrap_or_default(),
            patches: Patches::default(),
            overflow_checks: None,
            guest: package["metadata"]["virtine"]["guest"].clone(),
        })
    }
}

/// The root manifest of a workspace. Cargo's parser accepts newer TOML than this one: `None` for such a manifest, except
/// that one with patches must be understood.
fn root_manifest(workspace_root: &Path) -> Result<Option<Value>, Error> {
    let manifest = workspace_root.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(Error::file("read", &manifest))?;
    match basic_toml::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        Err(cause) if text.contains("patch") => Err(Error::Manifest { manifest, cause }),
        Err(_) => Ok(None),
    }
}

/// One dependency per name. A crate may be a normal, a dev- and a platform dependency at once. Cargo treats these as
/// one crate under one name.
fn dependencies(listed: &[Value]) -> Vec<Dependency> {
    let of_kind = |kind: Value| listed.iter().filter(move |one| one["kind"] == kind);
    let mut found: Vec<Dependency> = Vec::new();
    for one in of_kind(Value::Null).chain(of_kind("dev".into())) {
        let new = dependency(one).filter(|one| found.iter().all(|other| other.name != one.name));
        found.extend(new);
    }
    found
}

fn dependency(dependency: &Value) -> Option<Dependency> {
    let package = dependency["name"].as_str()?.to_owned();
    let name = dependency["rename"].as_str().unwrap_or(&package);
    Some(Dependency {
        name: name.replace('-', "_"),
        package,
        requirement: dependency["req"].as_str()?.to_owned(),
        path: dependency["path"].as_str().map(PathBuf::from),
        source: dependency["source"].as_str().map(str::to_owned),
        default_features: dependency["uses_default_features"] != false,
        features: dependency["features"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|feature| feature.as_str().map(str::to_owned))
            .collect(),
    })
}

fn unexpected(reason: String) -> Error {
    Error::Output {
        command: "cargo metadata",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_dependency_of_two_kinds_is_one() {
        let of = |kind: Value, req: &str| json!({"name": "rand", "req": req, "kind": kind});
        let listed = [
            of("dev".into(), "^0.8.4"),
            of("build".into(), "^0.7"),
            of(Value::Null, "^0.8.5"),
        ];
        let found = dependencies(&listed);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].requirement, "^0.8.5");
    }
}
