//! The targets of a package: libraries, binaries, examples, tests and benchmarks.

use std::path::PathBuf;

use serde_json::Value;

use crate::report::Target;
use crate::syntax::Library;

/// One crate of the package.
#[derive(Clone, Debug)]
pub(crate) struct TargetRoot {
    pub(crate) target: Target,
    /// The crate that its guests use as `std`.
    pub(crate) library: Library,
    /// The root source file.
    pub(crate) file: PathBuf,
    pub(crate) edition: String,
    pub(crate) unit_tests: UnitTests,
}

/// What the folders of guests with the real std begin with.
const STD: &str = "std-";

/// Whether `#[test]` functions are part of a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitTests {
    /// No: cargo compiles them into another crate, which has no guests.
    Excluded,
    /// Yes: the crate consists of them.
    Included,
}

impl TargetRoot {
    /// Reads a target of `cargo metadata`. `None` for build scripts and proc macros, which cannot have
    /// virtines.
    pub(crate) fn from_metadata(target: &Value) -> Option<Self> {
        let name = target["name"].as_str()?;
        let kinds: Vec<&str> = target["kind"]
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let unit_tests = match kinds.as_slice() {
            ["test" | "bench"] => UnitTests::Included,
            _ => UnitTests::Excluded,
        };
        let (folder, bin_name) = match kinds.as_slice() {
            ["bin"] => (format!("bin-{name}"), Some(name.to_owned())),
            ["example"] => (format!("example-{name}"), Some(name.to_owned())),
            ["test"] => (format!("test-{name}"), None),
            ["bench"] => (format!("bench-{name}"), None),
            ["custom-build" | "proc-macro"] => return None,
            _ => ("lib".to_owned(), None),
        };
        Some(Self {
            target: Target {
                folder,
                crate_name: name.replace('-', "_"),
                bin_name,
            },
            library: Library::Facade,
            file: target["src_path"].as_str()?.into(),
            edition: target["edition"].as_str()?.to_owned(),
            unit_tests,
        })
    }

    /// The same target for guests with the real std.
    pub(crate) fn with_std(&self) -> Self {
        let folder = format!("{STD}{}", self.target.folder);
        Self {
            target: Target {
                folder,
                ..self.target.clone()
            },
            library: Library::Std,
            ..self.clone()
        }
    }

    /// The folder of the target, whatever its guests have for `std`. Two targets may have one name, even one file, but
    /// never one folder.
    pub(crate) fn twins_folder(&self) -> &str {
        let folder = &self.target.folder;
        match self.library {
            Library::Facade => folder,
            Library::Std => folder.strip_prefix(STD).unwrap_or(folder),
        }
    }

    /// The name of the guest's package and library. Cargo derives file names from it.
    pub(crate) fn guest_name(&self) -> String {
        format!("guest-{}", self.target.folder.replace('_', "-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            .map(|kind| json!({"name": "my-app", "kind": [kind], "src_path": "x.rs", "edition": "2021"}))
            .into_iter()
            .map(|target| TargetRoot::from_metadata(&target).map(|root| root.target.folder))
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
