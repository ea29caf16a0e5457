//! Which library a virtine gets if neither its attribute nor its package says: the facade if it compiles with that,
//! otherwise the real std.
//!
//! What was found is kept in OUT_DIR, so that the next build does not try twice. It holds as long as the virtine reaches
//! the same names, and the manifest and the lock file are the same.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use crate::base::error::Error;
use crate::base::files::write_if_changed;
use crate::cargo::environment::Environment;
use crate::cargo::package::Package;
use crate::model::Choice;
use crate::report;
use crate::syntax::{Library, Settings};

const FILE: &str = "with-std.json";

/// The choices for one package.
pub(super) struct Choices {
    of_package: Option<Library>,
    file: PathBuf,
    /// A hash of the manifests.
    manifests: u64,
    /// The virtines that have the real std. Only this set says so, and it only grows within a build: so each attempt
    /// has fewer virtines that lack std, and the attempts end.
    with_std: BTreeSet<Choice>,
}

impl Choices {
    /// Loads what earlier builds have found.
    pub(super) fn load(package: &Package, environment: &Environment) -> Result<Self, Error> {
        let file = environment.out_dir.join(report::FOLDER).join(FILE);
        let manifests = manifests(package, environment);
        let text = fs::read_to_string(&file).unwrap_or_default();
        let known: (u64, BTreeSet<Choice>) = serde_json::from_str(&text).unwrap_or_default();
        let is_same = known.0 == manifests;
        Ok(Self {
            of_package: package.library()?,
            file,
            manifests,
            with_std: if is_same { known.1 } else { BTreeSet::new() },
        })
    }

    /// The library of a virtine, and the choice that it depends on, where neither its attribute nor the package says.
    pub(super) fn library(
        &self,
        settings: &Settings,
        choice: impl FnOnce() -> Choice,
    ) -> (Library, Option<Choice>) {
        if let Some(pinned) = settings.pinned(self.of_package) {
            return (pinned, None);
        }
        let choice = choice();
        let library = match self.with_std.contains(&choice) {
            true => Library::Std,
            false => Library::Facade,
        };
        (library, Some(choice))
    }

    /// Gives the real std to these virtines.
    pub(super) fn give_std(&mut self, choices: &[Choice]) {
        self.with_std.extend(choices.iter().cloned());
    }

    /// Keeps the choices of these virtines for the next build: those that have the real std and compile with it.
    pub(super) fn keep(&self, compiled: &BTreeSet<Choice>) -> Result<(), Error> {
        let with_std: BTreeSet<&Choice> = self.with_std.intersection(compiled).collect();
        let text = serde_json::to_string(&(self.manifests, with_std));
        let text = text.map_err(|error| Error::Output {
            command: "serde_json",
            reason: error.to_string(),
        })?;
        write_if_changed(&self.file, text.as_bytes())
    }
}

fn manifests(package: &Package, environment: &Environment) -> u64 {
    let files = [
        environment.manifest_dir.join("Cargo.toml"),
        package.workspace_root.join("Cargo.lock"),
    ];
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    environment.features.hash(&mut hasher);
    for file in files {
        fs::read(file).unwrap_or_default().hash(&mut hasher);
    }
    hasher.finish()
}
