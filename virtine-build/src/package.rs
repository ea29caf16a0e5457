//! The package's targets, as cargo itself sees them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use crate::environment::Environment;
use crate::error::Error;
use crate::index::Units;
use crate::patch::Patches;
use crate::report;

/// The package that is being built.
#[derive(Debug)]
pub(crate) struct Package {
    /// Where the Cargo.lock is, and what rustc's file names are relative to.
    pub(crate) workspace_root: PathBuf,
    pub(crate) targets: Vec<TargetRoot>,
    /// The same, for guests with the real std.
    pub(crate) with_std: Vec<TargetRoot>,
    pub(crate) version: String,
    /// What it depends on, build scripts' dependencies left out.
    pub(crate) dependencies: Vec<Dependency>,
    /// `[package.metadata.virtine.dependencies]`, by the name that the source uses: what guests take
    /// of a dependency beside its version.
    pub(crate) guest_settings: Map<String, Value>,
    pub(crate) patches: Patches,
}

/// One entry of `[dependencies]` or `[dev-dependencies]`.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// The name of the package.
    pub(crate) package: String,
    /// The name that the source uses.
    pub(crate) name: String,
    /// The versions asked for.
    pub(crate) requirement: String,
    /// Where it lies, if not in a registry.
    pub(crate) path: Option<PathBuf>,
    /// Where it comes from, as cargo writes it: `registry+..`, `git+..`.
    pub(crate) source: Option<String>,
    /// Whether the host takes its default features.
    pub(crate) default_features: bool,
    /// The features that the host asks for.
    pub(crate) features: Vec<String>,
}

/// What guests have for `std`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// The runtime's facade.
    Facade,
    /// The real one: `#[virtine(std)]`.
    Std,
}

impl Library {
    /// What a guest's source calls the runtime.
    pub(crate) const fn runtime(self) -> &'static str {
        match self {
            Self::Facade => "::std",
            Self::Std => "::virtine_rt",
        }
    }
}

impl TargetRoot {
    /// The same target for guests with the real std.
    pub(crate) fn with_std(&self) -> Self {
        let folder = format!("std-{}", self.target.folder);
        Self {
            target: report::Target {
                folder,
                ..self.target.clone()
            },
            library: Library::Std,
            ..self.clone()
        }
    }
}

/// One crate of the package.
#[derive(Clone, Debug)]
pub(crate) struct TargetRoot {
    pub(crate) target: report::Target,
    /// What its guests have for `std`.
    pub(crate) library: Library,
    /// The root source file.
    pub(crate) file: PathBuf,
    pub(crate) edition: String,
    pub(crate) units: Units,
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
        let output = crate::compile::checked_output(&mut command)?;
        let metadata: Value =
            serde_json::from_slice(&output.stdout).map_err(|e| unexpected(e.to_string()))?;
        let package = Self::from_metadata(&metadata, &environment.manifest_dir);
        let mut package = package.ok_or_else(|| {
            unexpected(format!(
                "no package at {}",
                environment.manifest_dir.display()
            ))
        })?;
        package.patches = Patches::load(&package.workspace_root)?;
        Ok(package)
    }

    fn from_metadata(metadata: &Value, manifest_dir: &Path) -> Option<Self> {
        let manifest = manifest_dir.join("Cargo.toml");
        let package = metadata["packages"].as_array()?.iter().find(|package| {
            package["manifest_path"]
                .as_str()
                .is_some_and(|path| Path::new(path) == manifest)
        })?;
        let targets = package["targets"].as_array()?;
        let targets: Vec<TargetRoot> = targets.iter().filter_map(target).collect();
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
        })
    }
}

/// One of each name: a crate may be a dependency, a dev-dependency and one of a platform at once, which for
/// cargo are one crate under one name.
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

/// `None` for the build script itself and for proc macros, which are no place for virtines.
fn target(target: &Value) -> Option<TargetRoot> {
    let name = target["name"].as_str()?;
    let kinds: Vec<&str> = target["kind"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let units = match kinds.as_slice() {
        ["test" | "bench"] => Units::Tests,
        _ => Units::LeftOut,
    };
    let (folder, bin_name) = match kinds.as_slice() {
        ["bin"] => (format!("bin-{name}"), Some(name.to_owned())),
        ["example"] => (format!("example-{name}"), Some(name.to_owned())),
        ["test"] => (format!("test-{name}"), None),
        ["bench"] => (format!("bench-{name}"), None),
        ["custom-build" | "proc-macro"] => return None,
        _ => ("lib".to_owned(), None),
    };
    Some(TargetRoot {
        target: report::Target {
            folder,
            crate_name: name.replace('-', "_"),
            bin_name,
        },
        library: Library::Facade,
        file: target["src_path"].as_str()?.into(),
        edition: target["edition"].as_str()?.to_owned(),
        units,
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

    #[test]
    fn every_kind_of_target_gets_a_folder_of_its_own() {
        let kinds = [
            "lib",
            "bin",
            "example",
            "test",
            "bench",
            "custom-build",
            "proc-macro",
        ];
        let folders: Vec<Option<String>> = kinds
            .map(|kind| target(&json!({"name": "my-app", "kind": [kind], "src_path": "x.rs", "edition": "2021"})))
            .into_iter()
            .map(|target| target.map(|target| target.target.folder))
            .collect();
        let expected = [
            "lib",
            "bin-my-app",
            "example-my-app",
            "test-my-app",
            "bench-my-app",
        ];
        assert_eq!(folders[..5], expected.map(|folder| Some(folder.to_owned())));
        assert_eq!(folders[5..], [None, None]);
    }
}
