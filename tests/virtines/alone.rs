//! Tests that need their own process: they are ignored, and another test runs them.

use std::env;
use std::process::Command;

/// Runs one of this binary's ignored tests in its own process, with these environment variables.
///
/// # Panics
///
/// If it fails, with all of its output.
pub(crate) fn run(test: &str, environment: &[(&str, &str)]) {
    let output = Command::new(env::current_exe().expect("the test binary"))
        .args(["--exact", test, "--ignored", "--test-threads=1"])
        .envs(environment.iter().copied())
        .output()
        .expect("the child runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test} {environment:?}: {text}"
    );
}
