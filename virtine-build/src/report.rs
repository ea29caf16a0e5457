//! The build script's report to the macro: which functions it found, and the outcome for each.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::base::error::Error;
use crate::base::files::write_if_changed;

/// The folder under OUT_DIR that holds all files of virtine-build.
pub const FOLDER: &str = "virtine";

/// The folder under [`FOLDER`] that holds one folder of images for each target.
pub const IMAGES: &str = "image";

/// The image that all functions of a target share: a file in the target's folder.
pub const IMAGE: &str = "guest.img";

const FILE: &str = "report.json";

/// Everything that one run of the build script found.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The name by which the package's source knows `wasp-core`.
    pub host: String,
    /// In the order of targets and source files.
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
    /// The kind of scope that encloses it. This decides how its public names are generated.
    pub standing: Standing,
    /// The target that contains it.
    pub target: Target,
    /// The outcome.
    pub outcome: Outcome,
}

/// The kind of scope that encloses a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// A module.
    Module,
    /// A module, and some `use` imports the function next to a module of the same name:
    /// `mod parse; pub use parse::parse;`. A generated module of that name would be imported too.
    ModuleOfNamesake,
    /// A body. Modules do not see the items of a body.
    Body,
}

/// A target of a package, as both the build script and the macro know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The name of its folder under [`IMAGES`], unique in the package.
    pub folder: String,
    /// CARGO_CRATE_NAME during its compilation.
    pub crate_name: String,
    /// CARGO_BIN_NAME during its compilation. Cargo sets it for binaries and examples.
    pub bin_name: Option<String>,
}

/// The outcome for a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Its image exists.
    Built {
        /// Whether this function's expansion includes the image for all functions of the target.
        carries: bool,
        /// Whether the guest has the real std.
        std: bool,
    },
    /// Its guest does not compile. Holds the message of the compiler or of virtine-build.
    Failed(String),
    /// It was not built because of another function's error.
    Blocked,
    /// It was not built because DOCS_RS is set.
    LeftOut,
}

/// Cargo runs the build script again after a change of this file in an OUT_DIR. Cargo finds new targets by itself, and
/// does not run the script for them.
fn unseen(out_dir: &Path) -> PathBuf {
    out_dir.join(FOLDER).join("unseen")
}

/// Has the build script run again at the next build: the target that is compiled now is newer than its report.
pub fn ask_for_another_run(out_dir: &Path) {
    // If it cannot be written, the message tells the user what to do.
    let _ = fs::write(unseen(out_dir), "");
}

/// The file of [`ask_for_another_run`], older than every build.
pub(crate) fn prepare_to_be_asked(out_dir: &Path) -> Result<PathBuf, Error> {
    let file = unseen(out_dir);
    write_if_changed(&file, b"")?;
    let opened = fs::File::options().write(true).open(&file);
    let set = opened.and_then(|file| file.set_modified(UNIX_EPOCH));
    set.map_err(Error::file("set the time of", &file))?;
    Ok(file)
}

/// The file beside [`IMAGE`] that holds the entry points of the function `name` at `line` of the module
/// that `module_path!()` calls `module`.
#[must_use]
pub fn entries_file(module: &str, name: &str, line: usize) -> String {
    format!("{module}{}", entries_suffix(name, line))
}

/// The part of [`entries_file`] that follows the module.
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

    /// Reads the report in the OUT_DIR of a build script; `None` if there is none.
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
