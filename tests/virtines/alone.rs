//! Tests that need a process of their own: marked as ignored, and run by another test.

use std::env;
use std::process::Command;

/// Runs one of this binary's ignored tests alone in a process of its own, with this in its environment.
///
/// # Panics
///
/// Where it fails, with all that it says.
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
