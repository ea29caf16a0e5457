//! The other commands that run build scripts: check, clippy, doc, and the builds of docs.rs.

use std::fs;
use std::path::Path;

use packages::support::{Package, shared_target_dir};

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

/// What the macro generates has names of its own, which no user should meet.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn documentation_shows_a_function_and_its_other_calls() {
    let package = Package::plain("plain-documented");
    package.write(
        "src/lib.rs",
        "//! Documented.\n#![deny(missing_docs)]\n/// Adds one.\n#[wasp_core::virtine]\n\
         pub fn next(x: u32) -> u32 { x + 1 }\n",
    );

    package.cargo("doc --no-deps --lib").succeeds();

    let folder = shared_target_dir().join("doc/plain_documented");
    let files = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder is read");
        let names = entries.map(|entry| entry.expect("it is read").file_name());
        let mut names: Vec<String> = names
            .filter_map(|name| name.into_string().ok())
            .filter(|name| name.starts_with("fn.") || name.starts_with("struct."))
            .collect();
        names.sort();
        names
    };
    assert_eq!(files(&folder), ["fn.next.html"]);
    let others = ["cancelled_by", "try_call", "with"].map(|name| format!("fn.{name}.html"));
    let expected = [&others[..], &["struct.Calls.html".to_owned()]].concat();
    assert_eq!(files(&folder.join("next")), expected);
    for page in ["fn.next.html", "next/fn.with.html", "next/index.html"] {
        let text = fs::read_to_string(folder.join(page)).expect("the page is read");
        assert!(!text.contains("__virtine"), "{page}: {text}");
    }
}
