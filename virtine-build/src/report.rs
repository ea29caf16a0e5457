//! What the build script tells the macro: which functions it found, and what became of each.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::write::write_if_changed;

/// The folder under OUT_DIR that all of virtine-build's files lie in.
pub const FOLDER: &str = "virtine";

/// The folder under [`FOLDER`] that holds one folder of images per target.
pub const IMAGES: &str = "image";

/// The file in it that holds the image which all functions of the target share.
pub const IMAGE: &str = "guest.img";

const FILE: &str = "report.json";

/// Everything that one run of the build script found.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The name by which the package's source knows `wasp-core`.
    pub host: String,
    /// In order of targets and source files.
    pub functions: Vec<Entry>,
}

/// One `#[virtine]` function in one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The source file, absolute.
    pub file: PathBuf,
    /// The line of the function's name, from 1.
    pub line: usize,
    /// The function's name.
    pub name: String,
    /// What it stands in, which says how its public names can be made.
    pub standing: Standing,
    /// The target that it was found in.
    pub target: Target,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a function stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// A module.
    Module,
    /// A module, and it is imported to where a module has its name: `mod parse; pub use parse::parse;`. A
    /// module of that name beside the function would be imported with it.
    ModuleOfNamesake,
    /// A body, where there is no module to see beside it.
    Body,
}

/// A target of a package, as the build script and the macro both know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The name of its folder under [`IMAGES`], unique in the package.
    pub folder: String,
    /// CARGO_CRATE_NAME while it is compiled.
    pub crate_name: String,
    /// CARGO_BIN_NAME while it is compiled, which cargo sets for binaries and examples.
    pub bin_name: Option<String>,
}

/// What became of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Its image is there.
    Built {
        /// The target's other functions use the image that this one's expansion includes.
        carries: bool,
    },
    /// Its guest does not compile; the compiler's or virtine-build's words.
    Failed(String),
    /// Another function's error kept it from being built.
    Blocked,
    /// DOCS_RS was set: no guest was to be built.
    LeftOut,
}

/// The file beside [`IMAGE`] that holds the entries of the function `name`, which stands in the module that
/// `module_path!()` calls `module`, at `line`.
#[must_use]
pub fn entries_file(module: &str, name: &str, line: usize) -> String {
    format!("{module}{}", entries_suffix(name, line))
}

/// What of [`entries_file`] follows the module.
#[must_use]
pub fn entries_suffix(name: &str, line: usize) -> String {
    format!("::{name}.{line}.entries")
}

impl Report {
    /// The report's file in an OUT_DIR.
    #[must_use]
    pub fn file(out_dir: &Path) -> PathBuf {
        out_dir.join(FOLDER).join(FILE)
    }

    /// Reads the report of the build script whose OUT_DIR is given; `None` where it wrote none.
    #[must_use]
    pub fn read(out_dir: &Path) -> Option<Self> {
        let text = fs::read_to_string(Self::file(out_dir)).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(crate) fn write(&self, out_dir: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::Output {
            command: "serde_json",
            reason: error.to_string(),
        })?;
        write_if_changed(&Self::file(out_dir), text.as_bytes())
    }
}
