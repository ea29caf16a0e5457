//! The messages of the nested cargo, as JSON: libraries and errors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cargo::package::Package;
use crate::emit::shim::without_shims;

/// The result of compiling all guest crates of a package.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    /// The static library of each guest, by the guest's name.
    pub(crate) libraries: BTreeMap<String, PathBuf>,
    /// The errors in each guest, by the guest's name.
    pub(crate) errors: BTreeMap<String, Vec<Diagnostic>>,
    /// One error in each dependency that does not compile, by the name of its crate.
    pub(crate) broken: BTreeMap<String, String>,
}

/// One error message of the compiler.
#[derive(Clone, Debug)]
pub(crate) struct Diagnostic {
    /// As rustc would print it.
    pub(crate) rendered: String,
    /// Its first line, without the code.
    pub(crate) message: String,
    /// The places that it points to, the most important one first.
    pub(crate) locations: Vec<Location>,
}

/// A place in the guest's sources. Its line is also the line in the user's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// The user's file: rustc prints remapped paths.
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
}

/// Reads the output of the nested cargo. `folder` is the workspace of the guests.
pub(super) fn read(stdout: &[u8], folder: &Path, package: &Package) -> Compiled {
    let mut compiled = Compiled::default();
    for line in stdout.split(|&byte| byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        let Some(guest) = guest_of(&message, folder) else {
            compiled.broken.extend(error_in_dependency(&message));
            continue;
        };
        match message["reason"].as_str() {
            Some("compiler-artifact") => {
                let library = static_library(&message);
                compiled.libraries.extend(library.map(|file| (guest, file)));
            }
            Some("compiler-message") => {
                let diagnostic = diagnostic(&message["message"], package);
                compiled.errors.entry(guest).or_default().extend(diagnostic);
            }
            _ => {}
        }
    }
    compiled
}

/// The static library among the files that a message lists.
fn static_library(message: &Value) -> Option<PathBuf> {
    let mut files = message["filenames"].as_array()?.iter();
    let library = files.find(|file| file.as_str().is_some_and(|file| file.ends_with(".a")))?;
    library.as_str().map(PathBuf::from)
}

/// The guest that a message is about.
fn guest_of(message: &Value, folder: &Path) -> Option<String> {
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let own = manifest.starts_with(folder);
    own.then(|| {
        message["target"]["name"]
            .as_str()
            .map(|name| name.replace('_', "-"))
    })?
}

/// The name of a dependency and an error in it.
fn error_in_dependency(message: &Value) -> Option<(String, String)> {
    let name = message["target"]["name"].as_str()?;
    let is_error = message["message"]["level"].as_str()? == "error";
    let rendered = message["message"]["rendered"].as_str()?;
    is_error.then(|| (name.replace('-', "_"), rendered.to_owned()))
}

fn diagnostic(message: &Value, package: &Package) -> Option<Diagnostic> {
    if !message["level"].as_str()?.starts_with("error") {
        return None;
    }
    let spans = message["spans"].as_array()?;
    // The final "aborting due to n errors" has no location.
    if spans.is_empty()
        && message["code"].is_null()
        && message["message"].as_str()?.starts_with("aborting due")
    {
        return None;
    }
    let is_primary = |span: &&Value| span["is_primary"].as_bool() == Some(true);
    let (primary, other): (Vec<&Value>, Vec<&Value>) = spans.iter().partition(is_primary);
    let spans = primary.into_iter().chain(other);
    Some(Diagnostic {
        rendered: without_shims(message["rendered"].as_str()?),
        message: message["message"].as_str()?.to_owned(),
        locations: spans.flat_map(|span| locations(span, package)).collect(),
    })
}

/// The locations of a span, and of the macro calls that it is expanded from, the outermost first.
fn locations(span: &Value, package: &Package) -> Vec<Location> {
    let calls = std::iter::successors(Some(span), |span| {
        let outer = &span["expansion"]["span"];
        outer.is_object().then_some(outer)
    });
    let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let locations = calls.filter_map(|span| {
        Some(Location {
            file: package.workspace_root.join(span["file_name"].as_str()?),
            line: number(&span["line_start"])?,
            column: number(&span["column_start"])?,
        })
    });
    let mut locations: Vec<Location> = locations.collect();
    locations.reverse();
    locations
}
