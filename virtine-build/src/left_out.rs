//! Crates that a guest does without, since they do not compile for it.
//!
//! The slice follows names, so a guest may ask for a crate that nothing in it calls. What does need the crate
//! then no longer compiles, is taken out as all such code is (see [`prune`](crate::prune)), and is told of the
//! crate where a virtine calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::compile::{Compiled, Diagnostic};
use crate::error::Error;
use crate::package::Dependency;

/// By the names that the source uses: why each is left out.
#[derive(Default)]
pub(crate) struct LeftOut(BTreeMap<String, String>);

impl LeftOut {
    pub(crate) fn contains(&self, dependency: &Dependency) -> bool {
        self.0.contains_key(&dependency.name)
    }

    /// Leaves out those of a guest's `dependencies` that bring along what does not compile; returns whether
    /// there were any.
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

    /// Why the crate is left out that an error names.
    pub(crate) fn reason(&self, error: &Diagnostic) -> Option<&str> {
        let mut names = error.message.split('`').skip(1).step_by(2);
        names.find_map(|path| {
            let mut parts = path.split("::");
            parts.find_map(|part| self.0.get(part).map(String::as_str))
        })
    }
}

/// The dependency that brought std along, which clashes with the guest's own runtime.
fn crate_with_std(error: &Diagnostic) -> Option<&str> {
    let (_, rest) = error.message.split_once("in crate `std` (which `")?;
    rest.split_once('`').map(|(name, _)| name)
}

fn without_std(name: &str) -> String {
    format!(
        "the crate `{name}` needs the standard library, which guests have not\n\
         = help: #[virtine(std)] gives the function the real one, and the crate with it; or, if the crate \
         can do without, say which of its features to take in \
         [package.metadata.virtine.dependencies]\n"
    )
}

fn does_not_compile(name: &str, error: &str) -> String {
    format!(
        "the crate `{name}` does not compile in a guest, which takes it without its default features\n\
         = help: say which to take in [package.metadata.virtine.dependencies]; or have #[virtine(std)] take \
         those of the host\n{error}"
    )
}

/// What depends on what, by the guests' Cargo.lock. One entry for each name: of several versions, all
/// dependencies.
struct Lock(BTreeMap<String, BTreeSet<String>>);

impl Lock {
    fn load(workspace: &Path) -> Result<Self, Error> {
        let file = workspace.join("Cargo.lock");
        let text = fs::read_to_string(&file).map_err(Error::file("read", &file))?;
        // Cargo itself has just written it.
        let lock: Value = basic_toml::from_str(&text).unwrap_or_default();
        Ok(Self::of(&lock))
    }

    fn of(lock: &Value) -> Self {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for package in lock["package"].as_array().into_iter().flatten() {
            let name = package["name"].as_str().unwrap_or_default();
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            // `name`, or `name version` where there are several.
            let dependencies = dependencies.filter_map(|one| one.as_str()?.split(' ').next());
            let known = graph.entry(crate_name(name)).or_default();
            known.extend(dependencies.map(crate_name));
        }
        Self(graph)
    }

    /// Whether `package` is the crate of that name, or depends on it.
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

/// A package's name as the compiler has it.
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
