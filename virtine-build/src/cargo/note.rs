//! What the build tells the user.

/// Shows a line in the output of the build.
#[expect(
    clippy::print_stdout,
    reason = "cargo reads a build script's standard output"
)]
pub(crate) fn note(text: &str) {
    println!("cargo:warning={text}");
}
