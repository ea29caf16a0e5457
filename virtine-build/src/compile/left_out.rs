//! Dependencies that a guest is built without, because they do not compile for it.
//!
//! The slice follows names, so a guest may depend on a crate that nothing in it calls. Without the crate, the
//! code that needs it no longer compiles and is removed too (see [`prune`](crate::compile::prune)). If a
//! virtine calls this code, its error is that of the crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::base::error::Error;
use crate::cargo::package::Dependency;
use crate::compile::messages::{Compiled, Diagnostic};

/// For each of these crates, by the name that the source uses: the reason.
#[derive(Default)]
pub(crate) struct LeftOut(BTreeMap<String, String>);

impl LeftOut {
    pub(crate) fn contains(&self, dependency: &Dependency) -> bool {
        self.0.contains_key(&dependency.name)
    }

    /// Leaves out the `dependencies` of a guest that depend on a crate that does not compile. Returns whether
    /// there are any.
    pub(crate) fn leave_out(
        &mut self,
        compiled: &Compiled,
        errors: &[Diagnostic],
        dependencies: &[&Dependency],
        workspace: &Path,
    ) -> Result<bool, Error> {
        let with_std = errors.iter().filter_map(crate_with_std);
        let with_std = with_std.map(|name| (name, without_std(name)));
        let broken = compiled.broken.iter();
        let broken = broken.map(|(name, reason)| (name.as_str(), does_not_compile(name, reason)));
        let unfit: Vec<(&str, String)> = with_std.chain(broken).collect();
        if unfit.is_empty() {
            return Ok(false);
        }
        let lock = Lock::load(workspace)?;
        let before = self.0.len();
        for dependency in dependencies {
            let mut reasons = unfit.iter();
            let reason = reasons.find(|(name, _)| lock.leads_to(&dependency.package, name));
            let entry = reason.map(|(_, reason)| (dependency.name.clone(), reason.clone()));
            self.0.extend(entry);
        }
        Ok(self.0.len() > before)
    }

    /// If an error names one of these crates: the reason why it is left out.
    pub(crate) fn reason(&self, error: &Diagnostic) -> Option<&str> {
        let mut names = error.message.split('`').skip(1).step_by(2);
        names.find_map(|path| {
            let mut parts = path.split("::");
            parts.find_map(|part| self.0.get(part).map(String::as_str))
        })
    }
}

/// The dependency that links std. It conflicts with the guest's own runtime.
fn crate_with_std(error: &Diagnostic) -> Option<&str> {
    let (_, rest) = error.message.split_once("in crate `std` (which `")?;
    rest.split_once('`').map(|(name, _)| name)
}

fn without_std(name: &str) -> String {
    format!(
        "the crate `{name}` needs the standard library, which guests with `core` do not have\n\
         = help: leave out `core`, and the guest gets the real std; or, if the crate supports no_std, \
         list the features to enable in [package.metadata.virtine.dependencies]\n"
    )
}

fn does_not_compile(name: &str, error: &str) -> String {
    format!(
        "the crate `{name}` does not compile in a guest with `core`, which uses it without the features that need \
         std\n\
         = help: leave out `core`, and the guest gets the real std; or list the features to enable in \
         [package.metadata.virtine.dependencies]\n{error}"
    )
}

/// The dependency graph in the guests' Cargo.lock. All versions of a crate are one entry with the dependencies
/// of all of them.
struct Lock(BTreeMap<String, BTreeSet<String>>);

impl Lock {
    fn load(workspace: &Path) -> Result<Self, Error> {
        let file = workspace.join("Cargo.lock");
        let text = fs::read_to_string(&file).map_err(Error::file("read", &file))?;
        // Cargo itself wrote it a moment ago.
        let lock: Value = basic_toml::from_str(&text).unwrap_or_default();
        Ok(Self::of(&lock))
    }

    fn of(lock: &Value) -> Self {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for package in lock["package"].as_array().into_iter().flatten() {
            let name = package["name"].as_str().unwrap_or_default();
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            // `name`, or `name version` if there are several versions.
            let dependencies = dependencies.filter_map(|one| one.as_str()?.split(' ').next());
            let known = graph.entry(crate_name(name)).or_default();
            known.extend(dependencies.map(crate_name));
        }
        Self(graph)
    }

    /// Whether `package` is the crate `name` or depends on it.
    fn leads_to(&self, package: &str, name: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut left = vec![crate_name(package)];
        while let Some(next) = left.pop() {
            if next == name {
                return true;
            }
            left.extend(self.0.get(&next).into_iter().flatten().cloned());
            left.retain(|one| !seen.contains(one));
            seen.insert(next);
        }
        false
    }
}

/// The name of a package's crate.
fn crate_name(package: &str) -> String {
    package.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_crate_is_found_behind_others() {
        let lock = Lock::of(&json!({"package": [
            {"name": "top-one", "dependencies": ["middle 1.0.0", "other"]},
            {"name": "middle", "version": "1.0.0", "dependencies": ["needs-std"]},
            {"name": "middle", "version": "2.0.0", "dependencies": ["top-one"]},
            {"name": "needs-std"},
            {"name": "other"},
        ]}));
        assert!(lock.leads_to("top-one", "needs_std"));
        assert!(lock.leads_to("needs-std", "needs_std"));
        assert!(!lock.leads_to("other", "needs_std"));
        assert!(!lock.leads_to("absent", "needs_std"));
    }
}
