//! Reports what a test could not check on this machine.

use std::io::{self, Write as _};

/// Reports that `test` has checked less than its name promises, and why. The test harness hides the `println` output of
/// a test that passes, but not this.
pub(crate) fn tell(test: &str, reason: &str) {
    let _ = writeln!(io::stderr(), "NOT TESTED HERE: {test}: {reason}");
}

/// Whether the CPU supports RDFSBASE and related instructions. Reports it if not.
pub(crate) fn has_bases(test: &str) -> bool {
    // CPUID 7, EBX: FSGSBASE. The guest's CPU is the host's.
    let has = std::arch::x86_64::__cpuid_count(7, 0).ebx & 1 != 0;
    if !has {
        tell(test, "the processor has no FSGSBASE");
    }
    has
}
