//! The user's `[patch]` tables, which cargo reads in a workspace's root manifest only and so not for guests.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::Error;

/// By the address or name of a source: by the name of a crate: where it comes from instead.
#[derive(Debug, Default)]
pub(crate) struct Patches(Map<String, Value>);

impl Patches {
    /// Those in the manifest of a workspace, or of a package that is its own.
    pub(crate) fn load(workspace_root: &Path) -> Result<Self, Error> {
        let manifest = workspace_root.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).map_err(Error::file("read", &manifest))?;
        // Cargo has read it by a parser that knows newer TOML than this one: asked only where it matters.
        match text.contains("patch") {
            true => Self::parse(&text, workspace_root)
                .map_err(|cause| Error::Manifest { manifest, cause }),
            false => Ok(Self::default()),
        }
    }

    fn parse(text: &str, workspace_root: &Path) -> Result<Self, basic_toml::Error> {
        let manifest: Value = basic_toml::from_str(text)?;
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
        Ok(Self(patches))
    }

    /// The folders of crates that lie on this machine.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        let crates = self.0.values().filter_map(Value::as_object);
        crates
            .flat_map(Map::values)
            .filter_map(|origin| Some(Path::new(origin["path"].as_str()?)))
    }

    /// As a manifest has them.
    pub(crate) fn tables(&self) -> String {
        let mut text = String::new();
        for (source, crates) in &self.0 {
            text += &format!("\n[patch.{}]\n", Value::from(source.as_str()));
            for (name, origin) in crates.as_object().into_iter().flatten() {
                text += &crate::manifest::line(name, origin.as_object().unwrap_or(&Map::new()));
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
        let patches = Patches::parse(text, Path::new("/user")).expect("read");
        let expected = "\n[patch.\"crates-io\"]\n\"units\" = { path = \"/user/mine/units\" }\n\
                        \n[patch.\"https://x/y\"]\n\
                        \"z\" = { branch = \"main\", git = \"https://z\" }\n";
        assert_eq!(patches.tables(), expected);
        let folders: Vec<&Path> = patches.folders().collect();
        assert_eq!(folders, [Path::new("/user/mine/units")]);
    }
}
