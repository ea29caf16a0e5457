//! What a test could not look at on this machine.

use std::io::{self, Write as _};

/// Says that `test` has looked at less than its name promises, and why. The test harness swallows what `println`
/// prints of a test that passes; this it does not.
pub(crate) fn tell(test: &str, reason: &str) {
    let _ = writeln!(io::stderr(), "NOT TESTED HERE: {test}: {reason}");
}
