//! The user's `[patch]` tables. Cargo reads them only in the root manifest of a workspace, and guests have their own
//! workspace.

use std::path::Path;

use serde_json::{Map, Value};

use crate::base::toml;

/// For each source (address or name) and each crate: the origin that replaces it.
#[derive(Debug, Default)]
pub(crate) struct Patches(Map<String, Value>);

impl Patches {
    /// The patches in the root manifest of a workspace. A single package is its own workspace.
    pub(crate) fn of(manifest: &Value, workspace_root: &Path) -> Self {
        let mut patches = manifest["patch"].as_object().cloned().unwrap_or_default();
        let crates = patches.values_mut().filter_map(Value::as_object_mut);
        for origin in crates.flat_map(Map::values_mut) {
            if let Some(path) = origin.get_mut("path") {
                *path = workspace_root
                    .join(path.as_str().unwrap_or_default())
                    .to_string_lossy()
                    .into();
            }
        }
        Self(patches)
    }

    /// The folders of the replacements that are path dependencies.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        let crates = self.0.values().filter_map(Value::as_object);
        crates
            .flat_map(Map::values)
            .filter_map(|origin| Some(Path::new(origin["path"].as_str()?)))
    }

    /// The tables as TOML.
    pub(crate) fn tables(&self) -> String {
        let mut text = String::new();
        for (source, crates) in &self.0 {
            text += &format!("\n[patch.{}]\n", Value::from(source.as_str()));
            for (name, origin) in crates.as_object().into_iter().flatten() {
                text += &toml::line(name, origin.as_object().unwrap_or(&Map::new()));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_users_workspace() {
        let text = "[patch.crates-io]\nunits = { path = 'mine/units' }\n\
                    [patch.'https://x/y']\nz = { git = 'https://z', branch = 'main' }\n";
        let manifest = basic_toml::from_str(text).expect("read");
        let patches = Patches::of(&manifest, Path::new("/user"));
        let expected = "\n[patch.\"crates-io\"]\n\"units\" = { path = \"/user/mine/units\" }\n\
                        \n[patch.\"https://x/y\"]\n\
                        \"z\" = { branch = \"main\", git = \"https://z\" }\n";
        assert_eq!(patches.tables(), expected);
        let folders: Vec<&Path> = patches.folders().collect();
        assert_eq!(folders, [Path::new("/user/mine/units")]);
    }
}
