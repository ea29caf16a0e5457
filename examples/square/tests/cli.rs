//! The smoke test.

use std::process::Command;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn program_succeeds_and_says_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_square"))
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    assert!(
        output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}"
    );
}
