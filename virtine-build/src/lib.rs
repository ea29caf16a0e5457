//! Compiles every `#[virtine]` function of a package into a guest image.
//!
//! The whole of a user's `build.rs`:
//!
//! ```ignore
//! fn main() {
//!     virtine_build::build()
//! }
//! ```
//!
//! [`build`] is a straight line of steps, one module each:
//!
//! | step | module | from -> to |
//! |---|---|---|
//! | 1 | `environment` | what cargo tells a build script |
//! | 2 | `package`, `patch` | `cargo metadata` -> the package's targets |
//! | 3 | `source` | a target's root file -> all its source files, by following `mod` |
//! | 4 | `index` | source files -> modules, items, imports |
//! | 5 | `slice` | a `#[virtine]` function -> all items that it may reach |
//! | 6 | `mask`, `emit` | the user's files with everything else blanked, and a manifest |
//! | 7 | `compile`, `prune` | cargo -> a static library, without what does not compile |
//! | 8 | `link`, `program` | one ELF file per target; refused where it needs what was taken out |
//! | 9 | `image` | ELF -> flat image, and each function's entries into it |
//! | 10 | `report`, `failure`, `watch` | what the macro needs to know, errors included |
//!
//! All that is written lies under OUT_DIR. A guest that does not compile is no failure of the build
//! script: the error goes into the report, and `#[virtine]` shows it on the function itself.
//!
//! # Environment
//!
//! * `DOCS_RS`: no guests are built; their calls fail with `Error::NotBuilt`.
#![deny(unsafe_code)]

mod absent;
mod cfg;
mod compile;
mod emit;
mod environment;
mod error;
mod failure;
mod guests;
mod hosts;
mod image;
mod index;
mod left_out;
mod link;
mod manifest;
mod mask;
mod mentions;
mod package;
mod parts;
mod patch;
mod pipeline;
mod program;
mod prune;
pub mod report;
mod slice;
mod source;
pub mod syntax;
mod watch;
mod write;

use std::process;

/// Builds the guest images of the package whose build script calls it.
///
/// Prints what cargo wants to know on standard output. Where not the user's code but the toolchain
/// or the file system fails, prints a `cargo::error` and ends the build script.
pub fn build() {
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
    reason = "cargo reads a build script's standard output, and shows what else a failed one said"
)]
fn report_to_cargo(line: &str) {
    if package_predates_errors() {
        eprintln!("virtine-build: {line}");
    } else {
        println!("cargo::error=virtine-build: {line}");
    }
}

/// Whether the package promises to build with a cargo older than 1.77: `cargo::error` would then itself be
/// refused, and the reason with it.
fn package_predates_errors() -> bool {
    let promised = std::env::var("CARGO_PKG_RUST_VERSION").unwrap_or_default();
    let mut numbers = promised.split('.').map(|number| number.parse::<u32>());
    matches!((numbers.next(), numbers.next()), (Some(Ok(1)), Some(Ok(minor))) if minor < 77)
}
