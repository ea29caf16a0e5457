//! What the package's build script tells cargo besides calling this library. Guests must be told the same: otherwise the
//! same code would mean something else in them.
//!
//! Cargo reads the script's output only when the script has ended, and so after the guests are built. So the script is
//! run once more, in a process of its own in which [`build`](crate::build) does nothing, and its output is read.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

/// Set in the second process.
const REHEARSAL: &str = "VIRTINE_BUILD_REHEARSAL";

/// Whether this is the second process.
pub(crate) fn is_rehearsal() -> bool {
    env::var_os(REHEARSAL).is_some()
}

/// Instructions to cargo that change the meaning of the package's code.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// `rustc-cfg`: names, or names with values.
    pub(crate) cfgs: Vec<(String, Option<String>)>,
    /// `rustc-env`.
    pub(crate) variables: Vec<(String, String)>,
}

impl Told {
    /// Runs the build script once more and reads what it prints. If it fails then, cargo shows its own failure.
    pub(super) fn load(manifest_dir: &Path) -> Self {
        let script = env::current_exe();
        let output = script.and_then(|script| {
            Command::new(script)
                .env(REHEARSAL, "1")
                .current_dir(manifest_dir)
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .output()
        });
        let output = output.map(|output| output.stdout).unwrap_or_default();
        Self::read(&String::from_utf8_lossy(&output))
    }

    fn read(output: &str) -> Self {
        let mut told = Self::default();
        for line in output.lines() {
            let instruction = line.strip_prefix("cargo::").or(line.strip_prefix("cargo:"));
            let Some((key, value)) = instruction.and_then(|one| one.split_once('=')) else {
                continue;
            };
            match key {
                "rustc-cfg" => told.cfgs.push(cfg(value)),
                "rustc-env" => told.variables.extend(pair(value)),
                _ => {}
            }
        }
        told
    }
}

/// `name` or `name="value"`.
fn cfg(text: &str) -> (String, Option<String>) {
    match pair(text) {
        Some((name, value)) => (name, Some(value.trim_matches('"').to_owned())),
        None => (text.trim().to_owned(), None),
    }
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    Some((name.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read_in_both_spellings() {
        let told = Told::read(
            "cargo:rustc-cfg=has_fast\ncargo::rustc-cfg=kind=\"a b\"\nhello\n\
             cargo::rustc-env=BUILD_ID=r42=x\ncargo:rerun-if-changed=build.rs\n",
        );
        let some = |text: &str| text.to_owned();
        let expected = Told {
            cfgs: vec![(some("has_fast"), None), (some("kind"), Some(some("a b")))],
            variables: vec![(some("BUILD_ID"), some("r42=x"))],
        };
        assert_eq!(told, expected);
    }
}
