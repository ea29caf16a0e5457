//! Compiles every `#[virtine]` function of a package into a guest image.
//!
//! The complete `build.rs` of a user:
//!
//! ```ignore
//! fn main() {
//!     virtine_build::build()
//! }
//! ```
//!
//! # Rooms
//!
//! A room imports only from rooms above it in this table. Within a room, imports form no cycle.
//!
//! | room | contents |
//! |---|---|
//! | `base` | errors, commands, files, TOML |
//! | `report` | what the build script reports to the macro |
//! | `syntax` | what the macro and the build script share: the attribute's grammar, and how parameters are passed |
//! | `cargo` | the environment, the package, its targets and patches; the files that cargo watches |
//! | `source` | a target's root file -> all its source files, by following `mod` |
//! | `index` | source files -> modules, items, imports |
//! | `slice` | a `#[virtine]` function -> all items that it may reach |
//! | `emit` | the guest crates on disk: the user's files with everything else blanked, and manifests |
//! | `compile` | the nested cargo -> static libraries, without what does not compile |
//! | `model` | the data of a build: crates, guests, virtines |
//! | `link` | a static library -> an ELF file -> the image, and the entry points of each function |
//! | `explain` | the error messages of functions that do not compile as virtines |
//! | `guests` | crates -> guests: compiled in rounds, linked, reported |
//! | `pipeline` | all steps in their order |
//!
//! All files are written under OUT_DIR. A guest that does not compile does not fail the build script. Its error
//! goes into the report, and `#[virtine]` shows it at the function.
//!
//! # Environment
//!
//! * `DOCS_RS`: no guests are built; their calls fail with `Error::NotBuilt`.
#![deny(unsafe_code)]

mod base;
mod cargo;
mod compile;
mod emit;
mod explain;
mod guests;
mod index;
mod link;
mod model;
mod pipeline;
pub mod report;
mod slice;
mod source;
pub mod syntax;

use std::process;

/// Builds the guest images of the package whose build script calls it.
///
/// Prints cargo's instructions to standard output. If the toolchain or the file system fails, prints a
/// `cargo::error` and exits. Errors in the user's code are reported by the macro.
///
/// The script is run a second time, in a process of its own in which this function does nothing, because guests must
/// know what the script tells cargo (`rustc-cfg`, `rustc-env`) and find the files that it writes.
pub fn build() {
    if cargo::told::is_rehearsal() {
        return;
    }
    if let Err(error) = pipeline::run() {
        for line in error.to_string().lines() {
            report_to_cargo(line);
        }
        process::exit(1);
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "cargo reads the standard output of a build script, and shows the standard error of a failed one"
)]
fn report_to_cargo(line: &str) {
    if package_predates_errors() {
        eprintln!("virtine-build: {line}");
    } else {
        println!("cargo::error=virtine-build: {line}");
    }
}

/// Whether the package declares a rust-version below 1.77. Cargo then rejects `cargo::error`, and would not
/// show the message.
fn package_predates_errors() -> bool {
    let promised = std::env::var("CARGO_PKG_RUST_VERSION").unwrap_or_default();
    let mut numbers = promised.split('.').map(|number| number.parse::<u32>());
    matches!((numbers.next(), numbers.next()), (Some(Ok(1)), Some(Ok(minor))) if minor < 77)
}
