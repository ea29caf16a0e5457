//! What a test could not look at on this machine.

use std::io::{self, Write as _};

/// Says that `test` has looked at less than its name promises, and why. The test harness swallows what `println`
/// prints of a test that passes; this it does not.
pub(crate) fn tell(test: &str, reason: &str) {
    let _ = writeln!(io::stderr(), "NOT TESTED HERE: {test}: {reason}");
}

/// Whether the processor knows RDFSBASE and its like; says so where it does not.
pub(crate) fn has_bases(test: &str) -> bool {
    // CPUID 7, EBX: FSGSBASE. The guest's processor is the host's.
    let has = std::arch::x86_64::__cpuid_count(7, 0).ebx & 1 != 0;
    if !has {
        tell(test, "the processor has no FSGSBASE");
    }
    has
}
