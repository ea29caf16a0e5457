//! The features of dependencies that a guest without std can have: those that the host requests, except for those that
//! need std.
//!
//! Many crates put `std` into their default features. Without all default features, `regex` would still compile, but
//! `\d` would fail. So only features that lead to `std` are left out, and what these lead to besides is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cargo::package::Dependency;

/// The usual names of the feature that makes a crate use std.
const STD: [&str; 3] = ["std", "use_std", "use-std"];

/// The usual name of the feature that makes a crate use `alloc`. Some crates need one of the two.
const ALLOC: &str = "alloc";

/// The `[features]` of a crate: what each of them enables.
type Table = BTreeMap<String, Vec<String>>;

/// The features of the dependencies of guest crates, by the guest's package and the name in its source.
#[derive(Default)]
pub(crate) struct FeatureTables(BTreeMap<(String, String), Table>);

impl FeatureTables {
    /// Reads the output of `cargo metadata`.
    pub(crate) fn of(metadata: &Value) -> Self {
        let listed = || metadata["packages"].as_array().into_iter().flatten();
        let package = |id: &Value| listed().find(|package| package["id"] == *id);
        let nodes = metadata["resolve"]["nodes"]
            .as_array()
            .into_iter()
            .flatten();
        let mut tables = BTreeMap::new();
        for node in nodes {
            let guest = package(&node["id"]).and_then(|guest| guest["name"].as_str());
            for dependency in node["deps"].as_array().into_iter().flatten() {
                let name = dependency["name"].as_str();
                let table = package(&dependency["pkg"]).map(|one| table(&one["features"]));
                if let (Some(guest), Some(name), Some(table)) = (guest, name, table) {
                    tables.insert((guest.to_owned(), name.to_owned()), table);
                }
            }
        }
        Self(tables)
    }

    /// The features that a guest without std has of a dependency.
    pub(crate) fn without_std(&self, guest: &str, dependency: &Dependency) -> Vec<String> {
        let known = self.0.get(&(guest.to_owned(), dependency.name.clone()));
        match known {
            Some(table) => without_std(table, requested(dependency)),
            None => Vec::new(),
        }
    }
}

fn table(features: &Value) -> Table {
    serde_json::from_value(features.clone()).unwrap_or_default()
}

fn requested(dependency: &Dependency) -> impl Iterator<Item = &str> {
    let default = dependency.default_features.then_some("default");
    let features = dependency.features.iter().map(String::as_str);
    default.into_iter().chain(features)
}

fn without_std<'a>(table: &'a Table, requested: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut all = BTreeSet::new();
    for feature in requested {
        all.append(&mut reach(table, feature));
    }
    let had_std = all.iter().any(|feature| STD.contains(feature));
    let needs_std = |feature: &str| reach(table, feature).iter().any(|one| STD.contains(one));
    all.retain(|feature| *feature != "default" && !needs_std(feature));
    // What std has besides alloc is missing, but alloc is there.
    let has_alloc = had_std && table.contains_key(ALLOC);
    all.extend(has_alloc.then_some(ALLOC));
    all.into_iter().map(str::to_owned).collect()
}

/// The feature, and all features of the same crate that it enables.
fn reach<'a>(table: &'a Table, feature: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![feature];
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            let enabled = table.get(next).into_iter().flatten();
            open.extend(
                enabled
                    .map(String::as_str)
                    .filter(|one| table.contains_key(*one)),
            );
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn regex() -> Table {
        table(&json!({
            "default": ["std", "perf", "unicode"],
            "std": ["alloc", "memchr?/std"],
            "alloc": [],
            "perf": ["perf-literal", "perf-inline"],
            "perf-literal": ["dep:memchr"],
            "perf-inline": [],
            "unicode": ["unicode-perl"],
            "unicode-perl": [],
            "logging": ["std", "dep:log"],
        }))
    }

    #[test]
    fn everything_but_std_is_kept() {
        let kept = without_std(&regex(), ["default", "logging"].into_iter());
        let expected = [
            "alloc",
            "perf",
            "perf-inline",
            "perf-literal",
            "unicode",
            "unicode-perl",
        ];
        assert_eq!(kept, expected);
    }

    #[test]
    fn what_loses_std_gets_alloc() {
        let table = table(&json!({"default": ["std"], "std": [], "alloc": []}));
        assert_eq!(without_std(&table, ["default"].into_iter()), ["alloc"]);
        assert!(without_std(&table, std::iter::empty()).is_empty());
    }

    #[test]
    fn tables_are_found_by_the_name_in_the_source() {
        let metadata = json!({
            "packages": [
                {"id": "g", "name": "guest-lib", "features": {}},
                {"id": "r", "name": "regex", "features": {"default": ["std", "unicode"], "std": [], "unicode": []}},
            ],
            "resolve": {"nodes": [{"id": "g", "deps": [{"name": "re", "pkg": "r"}]}]},
        });
        let tables = FeatureTables::of(&metadata);
        let mut dependency = Dependency {
            package: "regex".to_owned(),
            name: "re".to_owned(),
            requirement: "1".to_owned(),
            path: None,
            source: None,
            default_features: true,
            features: Vec::new(),
        };
        assert_eq!(tables.without_std("guest-lib", &dependency), ["unicode"]);
        dependency.default_features = false;
        assert!(tables.without_std("guest-lib", &dependency).is_empty());
    }
}
