//! The other commands that run build scripts: check, clippy, doc, and the builds of docs.rs.

use packages::support::Package;

const ANSWER: &str = "answer: 41\n";

/// Clippy works by a wrapper around rustc, which a nested cargo must not inherit.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn check_clippy_and_doc_before_and_after_a_build_leave_a_program_that_runs() {
    let package = Package::plain("plain-check");
    for _ in ["before", "after"] {
        package.cargo("clippy -- -Dwarnings").succeeds();
        package.cargo("check --all-targets").succeeds();
        package.cargo("doc --no-deps").succeeds();
        assert_eq!(package.run(), ANSWER);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn docs_rs_leaves_guests_out_until_it_is_unset() {
    let package = Package::plain("plain-docs-rs");

    let left_out = package.cargo("run").env("DOCS_RS", "1").succeeds();
    package
        .cargo("doc --no-deps")
        .env("DOCS_RS", "1")
        .succeeds();

    assert!(left_out.stdout.contains("`answer` has no guest image"));
    assert!(left_out.stdout.contains("DOCS_RS"));
    assert_eq!(package.run(), ANSWER);
}
