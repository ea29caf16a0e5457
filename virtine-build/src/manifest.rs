//! The manifest of a guest crate.
//!
//! A guest takes a dependency in the version that the host's Cargo.lock names, without its default
//! features, which mostly ask for std. What else it takes, the user says:
//!
//! ```toml
//! [package.metadata.virtine.dependencies]
//! serde_json = { features = ["alloc"] }
//! ```

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::emit;
use crate::environment::Environment;
use crate::error::Error;
use crate::package::{Dependency, Library, Package, TargetRoot};
use crate::write::write_if_changed;

/// Writes it.
pub(crate) fn write(
    folder: &Path,
    target: &TargetRoot,
    environment: &Environment,
    package: &Package,
    dependencies: &[&Dependency],
) -> Result<(), Error> {
    let root = target.file.strip_prefix("/").unwrap_or(&target.file);
    let enabled = environment
        .features
        .iter()
        .filter(|feature| *feature != "default");
    let features: String = enabled
        .clone()
        .map(|feature| format!("{} = []\n", quoted(feature)))
        .collect();
    let enabled: Vec<String> = enabled.map(|feature| quoted(feature)).collect();
    let dependencies: String = dependencies
        .iter()
        .map(|dependency| match target.library {
            Library::Facade => entry(dependency, package.guest_settings.get(&dependency.name)),
            Library::Std => as_on_the_host(dependency),
        })
        .collect();
    let (name_of_runtime, feature) = match target.library {
        Library::Facade => ("std", "guest"),
        Library::Std => ("virtine_rt", "std"),
    };
    let manifest = format!(
        "[package]\nname = {name}\nversion = {version}\nedition = {edition}\n\n\
         [lib]\npath = {path}\ncrate-type = [\"staticlib\"]\n\n\
         [features]\ndefault = [{enabled}]\n{features}\n\
         [dependencies]\n{dependencies}\
         {name_of_runtime} = {{ package = \"virtine-rt\", path = {runtime}, \
         features = [{feature:?}] }}\n",
        name = quoted(&emit::guest_name(target)),
        version = quoted(&package.version),
        edition = quoted(&target.edition),
        path = quoted(&root.to_string_lossy()),
        enabled = enabled.join(", "),
        runtime = quoted(virtine_rt::MANIFEST_DIR),
    );
    write_if_changed(&folder.join("Cargo.toml"), manifest.as_bytes())
}

/// With the real std, a guest takes of a crate what its host does.
fn as_on_the_host(dependency: &Dependency) -> String {
    let mut table = origin(dependency);
    let default = dependency.default_features;
    table.insert("default-features".to_owned(), json!(default));
    table.insert("features".to_owned(), json!(dependency.features));
    line(&dependency.name, &table)
}

fn origin(dependency: &Dependency) -> Map<String, Value> {
    let mut table = Map::new();
    table.insert("package".to_owned(), json!(dependency.package));
    match (&dependency.path, &dependency.source) {
        (Some(path), _) => _ = table.insert("path".to_owned(), json!(path)),
        (None, Some(source)) if source.starts_with("git+") => git(source, &mut table),
        _ => _ = table.insert("version".to_owned(), json!(dependency.requirement)),
    }
    table
}

fn entry(dependency: &Dependency, settings: Option<&Value>) -> String {
    let mut table = origin(dependency);
    table.insert("default-features".to_owned(), json!(false));
    if dependency.package == "serde" {
        // What a guest always has, so that no user need say it.
        table.insert("features".to_owned(), json!(["alloc", "derive"]));
    }
    if let Some(Value::Object(settings)) = settings {
        table.extend(settings.clone());
    }
    line(&dependency.name, &table)
}

/// One crate of a table of such.
pub(crate) fn line(name: &str, table: &Map<String, Value>) -> String {
    let fields: Vec<String> = table
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    format!("{} = {{ {} }}\n", quoted(name), fields.join(", "))
}

/// `git+https://host/repository?branch=main#commit`
fn git(source: &str, table: &mut Map<String, Value>) {
    let address = source.trim_start_matches("git+");
    let address = address.split('#').next().unwrap_or(address);
    let (address, query) = address.split_once('?').unwrap_or((address, ""));
    table.insert("git".to_owned(), json!(address));
    if let Some((key, value)) = query.split_once('=') {
        table.insert(key.to_owned(), json!(value));
    }
}

/// JSON's strings, numbers, lists and flags are TOML's as well.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(source: &str) -> Dependency {
        Dependency {
            package: "the-crate".to_owned(),
            name: "renamed".to_owned(),
            requirement: "^1.2".to_owned(),
            path: None,
            source: Some(source.to_owned()),
            default_features: true,
            features: vec!["fast".to_owned()],
        }
    }

    #[test]
    fn version_is_the_hosts_and_features_are_what_the_user_says() {
        let settings = json!({"features": ["alloc"]});
        let entry = entry(&dependency("registry+https://x"), Some(&settings));
        let expected = "\"renamed\" = { default-features = false, features = [\"alloc\"], \
                        package = \"the-crate\", version = \"^1.2\" }\n";
        assert_eq!(entry, expected);
    }

    #[test]
    fn with_the_real_std_features_are_the_hosts() {
        let entry = as_on_the_host(&dependency("registry+https://x"));
        assert!(entry.contains("default-features = true"), "{entry}");
        assert!(entry.contains("features = [\"fast\"]"), "{entry}");
    }

    #[test]
    fn git_sources_keep_their_branch() {
        let entry = entry(&dependency("git+https://x/y?branch=main#0123"), None);
        assert!(entry.contains("git = \"https://x/y\""), "{entry}");
        assert!(entry.contains("branch = \"main\""), "{entry}");
    }
}
