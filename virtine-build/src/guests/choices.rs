//! Which library a virtine gets if neither its attribute nor its package says: the facade if it compiles with that,
//! otherwise the real std.
//!
//! What was found is kept in OUT_DIR, so that the next build does not try twice. It holds as long as the virtine reaches
//! the same names, and the manifest and the lock file are the same.

use std::collections::BTreeMap;
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
    /// The fingerprints of the virtines that have the real std, by key.
    with_std: BTreeMap<String, u64>,
}

impl Choices {
    /// Loads what earlier builds have found.
    pub(super) fn load(package: &Package, environment: &Environment) -> Result<Self, Error> {
        let file = environment.out_dir.join(report::FOLDER).join(FILE);
        let manifests = manifests(package, environment);
        let text = fs::read_to_string(&file).unwrap_or_default();
        let known: (u64, BTreeMap<String, u64>) = serde_json::from_str(&text).unwrap_or_default();
        let is_same = known.0 == manifests;
        Ok(Self {
            of_package: package.library()?,
            file,
            manifests,
            with_std: if is_same { known.1 } else { BTreeMap::new() },
        })
    }

    /// The choice that is to be made for a virtine with these settings, if any.
    pub(super) fn open(
        &self,
        settings: &Settings,
        make: impl FnOnce() -> Choice,
    ) -> Option<Choice> {
        settings.pinned(self.of_package).is_none().then(make)
    }

    /// The library of a virtine.
    pub(super) fn library(&self, settings: &Settings, choice: Option<&Choice>) -> Library {
        let chosen = |choice: &Choice| match self.has_std(choice) {
            true => Library::Std,
            false => Library::Facade,
        };
        let pinned = settings.pinned(self.of_package);
        pinned.unwrap_or_else(|| choice.map_or(Library::Facade, chosen))
    }

    fn has_std(&self, choice: &Choice) -> bool {
        self.with_std.get(&choice.key) == Some(&choice.fingerprint)
    }

    /// Gives the real std to these virtines.
    pub(super) fn give_std(&mut self, choices: &[Choice]) {
        let new = choices.iter().cloned();
        self.with_std
            .extend(new.map(|choice| (choice.key, choice.fingerprint)));
    }

    /// Forgets what was chosen for these virtines.
    pub(super) fn forget(&mut self, choices: &[Choice]) {
        for choice in choices {
            self.with_std.remove(&choice.key);
        }
    }

    /// Keeps the choices for the next build.
    pub(super) fn keep(&self) -> Result<(), Error> {
        let text = serde_json::to_string(&(self.manifests, &self.with_std));
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
