//! The manifest of a guest crate.
//!
//! A guest uses the dependency versions of the host's Cargo.lock, with the features that the host requests. A guest
//! without std leaves out the features that need std. The user can set its features and other settings:
//!
//! ```toml
//! [package.metadata.virtine.dependencies]
//! serde_json = { features = ["alloc"] }
//! ```

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::base::error::Error;
use crate::base::files::write_if_changed;
use crate::base::toml::{line, quoted};
use crate::cargo::environment::Environment;
use crate::cargo::features::FeatureTables;
use crate::cargo::package::{Dependency, Package};
use crate::cargo::target::TargetRoot;
use crate::syntax::Library;

/// Writes the manifest of the guest crate for `target` into `folder`.
pub(crate) fn write(
    folder: &Path,
    target: &TargetRoot,
    environment: &Environment,
    (package, dependencies, tables): (&Package, &[&Dependency], &FeatureTables),
    reads_variables: bool,
) -> Result<(), Error> {
    let root = target.file.strip_prefix("/").unwrap_or(&target.file);
    let dependencies: String = dependencies
        .iter()
        .map(|dependency| match target.library {
            Library::Facade => sparse_entry(
                dependency,
                tables.without_std(&target.guest_name(), dependency),
                package.guest_settings.get(&dependency.name),
            ),
            Library::Std => full_entry(dependency),
        })
        .collect();
    let manifest = format!(
        "[package]\nname = {name}\nversion = {version}\nedition = {edition}\n{script}\n\
         [lib]\npath = {path}\ncrate-type = [\"staticlib\"]\n\n\
         [features]\n{features}\n\
         [dependencies]\n{dependencies}{runtime}",
        script = script(folder, environment, reads_variables)?,
        name = quoted(&target.guest_name()),
        version = quoted(&package.version),
        edition = quoted(&target.edition),
        path = quoted(&root.to_string_lossy()),
        features = features(environment),
        runtime = runtime(target.library),
    );
    write_if_changed(&folder.join("Cargo.toml"), manifest.as_bytes())
}

/// The name of a guest's build script.
pub(super) const SCRIPT: &str = "build.rs";

/// Writes the guest's build script, if it needs one, and returns the line of the manifest that names it. The script
/// tells cargo what the package's own one does, and gives the guest's `env!` the values of the package.
fn script(folder: &Path, environment: &Environment, reads: bool) -> Result<String, Error> {
    let told = &environment.told;
    if !reads && told.cfgs.is_empty() {
        return Ok("build = false\n".to_owned());
    }
    let cfgs = told.cfgs.iter().map(|(name, value)| match value {
        Some(value) => format!("rustc-cfg={name}={value:?}"),
        None => format!("rustc-cfg={name}"),
    });
    let variables = environment.variables.iter().chain(&told.variables);
    // An instruction is one line.
    let variables = variables.filter(|(_, value)| !value.contains('\n'));
    let variables = variables.map(|(name, value)| format!("rustc-env={name}={value}"));
    let lines = cfgs
        .chain(variables)
        .map(|line| format!("    println!(\"{{}}\", {:?});\n", format!("cargo:{line}")));
    let lines: String = lines.collect();
    let text =
        format!("fn main() {{\n    println!(\"cargo:rerun-if-changed={SCRIPT}\");\n{lines}}}\n");
    write_if_changed(&folder.join(SCRIPT), text.as_bytes())?;
    Ok(format!("build = {SCRIPT:?}\n"))
}

/// Declares the enabled features of the package, all of them as default features.
fn features(environment: &Environment) -> String {
    let features = environment.features.iter();
    let enabled = features.filter(|feature| *feature != "default");
    let enabled: Vec<String> = enabled.map(|feature| quoted(feature)).collect();
    let declarations = enabled.iter().map(|feature| format!("{feature} = []\n"));
    format!(
        "default = [{}]\n{}",
        enabled.join(", "),
        declarations.collect::<String>()
    )
}

/// The dependency on virtine-rt.
fn runtime(library: Library) -> String {
    let (name, feature) = match library {
        Library::Facade => ("std", "guest"),
        Library::Std => ("virtine_rt", "std"),
    };
    format!(
        "{name} = {{ package = \"virtine-rt\", path = {}, features = [{feature:?}] }}\n",
        quoted(virtine_rt::MANIFEST_DIR)
    )
}

/// A dependency with the host's features, for guests with the real std.
fn full_entry(dependency: &Dependency) -> String {
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

/// A dependency with these features and the user's settings.
fn sparse_entry(
    dependency: &Dependency,
    mut features: Vec<String>,
    settings: Option<&Value>,
) -> String {
    let mut table = origin(dependency);
    table.insert("default-features".to_owned(), json!(false));
    if dependency.package == "serde" {
        // Every guest can have these, so users need not list them.
        features.extend(["alloc", "derive"].map(str::to_owned));
        features.sort_unstable();
        features.dedup();
    }
    if !features.is_empty() {
        table.insert("features".to_owned(), json!(features));
    }
    if let Some(Value::Object(settings)) = settings {
        table.extend(settings.clone());
    }
    line(&dependency.name, &table)
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
    fn version_is_the_hosts_and_features_are_the_users() {
        let settings = json!({"features": ["alloc"]});
        let features = vec!["unicode".to_owned()];
        let entry = sparse_entry(&dependency("registry+https://x"), features, Some(&settings));
        let expected = "\"renamed\" = { default-features = false, features = [\"alloc\"], \
                        package = \"the-crate\", version = \"^1.2\" }\n";
        assert_eq!(entry, expected);
    }

    #[test]
    fn with_the_real_std_features_are_the_hosts() {
        let entry = full_entry(&dependency("registry+https://x"));
        assert!(entry.contains("default-features = true"), "{entry}");
        assert!(entry.contains("features = [\"fast\"]"), "{entry}");
    }

    #[test]
    fn git_sources_keep_their_branch() {
        let entry = sparse_entry(
            &dependency("git+https://x/y?branch=main#0123"),
            Vec::new(),
            None,
        );
        assert!(entry.contains("git = \"https://x/y\""), "{entry}");
        assert!(entry.contains("branch = \"main\""), "{entry}");
    }
}
