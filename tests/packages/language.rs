//! What of a package changes the meaning of its code: features, profile, edition, workspace, serde.

use packages::support::Package;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn features_are_those_of_the_host() {
    let package = Package::copy("features");
    for (arguments, features) in [
        ("run", "quiet, with std"),
        ("run --features very-loud,serde", "VERY LOUD, with std"),
        (
            "run --no-default-features --features loud",
            "LOUD, without std",
        ),
    ] {
        let printed = package.cargo(arguments).succeeds().stdout;
        assert_eq!(printed, format!("features: {features}\n"), "{arguments}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn overflow_panics_in_debug_and_wraps_in_release() {
    let package = Package::copy("profiles");

    let debug = package.run();
    let release = package.cargo("run --release").succeeds().stdout;

    assert!(debug.starts_with("debug assertions: true\n"), "{debug}");
    assert!(debug.contains("attempt to add with overflow"), "{debug}");
    assert_eq!(release, "debug assertions: false\nnext: 0\n");

    let checked = package
        .cargo("run --release")
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true");
    let checked = checked.succeeds().stdout;
    assert!(
        checked.starts_with("debug assertions: false\n"),
        "{checked}"
    );
    assert!(
        checked.contains("attempt to add with overflow"),
        "{checked}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn guest_is_compiled_in_the_edition_of_its_package() {
    let package = Package::copy("editions");
    for edition in ["2018", "2021", "2024"] {
        let output = package
            .cargo(&format!("run -p edition-{edition}"))
            .succeeds();
        assert_eq!(output.stdout, format!("{edition}: {edition}\n"));
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn members_of_a_workspace_call_each_others_virtines() {
    let package = Package::copy("workspace");
    let line = package.line_of("parts/shapes/src/lib.rs", "assert!");

    let output = package.cargo("run").succeeds().stdout;

    let place = format!("parts/shapes/src/lib.rs:{line}:5: no width");
    assert!(output.starts_with("app 12, shapes 16\n"), "{output}");
    assert!(output.contains(&place), "{output}");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn derived_types_travel_both_ways() {
    let package = Package::copy("serde-types");
    let report = r#"Report { name: "RECTANGLE", area: 600, corners: [Point(0, 0), Point(3, 2)] }"#;
    let expected = format!("Ok({report})\nErr(\"no scale\")\n");
    assert_eq!(package.run(), expected);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn types_of_std_travel_where_no_dependency_names_serde() {
    let package = Package::plain("plain-std-types");
    package.write(
        "src/main.rs",
        r#"
        use std::collections::{HashMap, HashSet};
        use std::time::{Duration, SystemTime};

        #[wasp_core::virtine]
        fn later(counts: &HashMap<String, u32>, time: SystemTime) -> (HashSet<u32>, SystemTime) {
            (counts.values().copied().collect(), time + Duration::from_millis(2))
        }

        fn main() {
            let now = SystemTime::now();
            let (counts, then) = later(&HashMap::from([("a".to_owned(), 1)]), now);
            println!("{counts:?} {:?}", then.duration_since(now));
        }
        "#,
    );
    assert_eq!(package.run(), "{1} Ok(2ms)\n");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn code_that_is_reached_by_name_alone_need_not_compile_in_the_guest() {
    let package = Package::copy("prunes");
    let expected = "20.0 degrees are 68.0 F\nSome(2) None\nOk(()) 0\ntrue\n";
    assert_eq!(package.run(), expected);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn guests_use_other_crates_and_a_renamed_host_crate() {
    let package = Package::copy_as("dependencies", "dependencies-work");
    let expected = "Ok(Order { item: \"tea\", count: 2 })\n\
                    Err(\"missing field `count` at line 1 column 15\")\n\
                    true 160.9344\n\
                    4\n\
                    1.2.3 41\n";
    assert_eq!(package.run(), expected);

    package.edit("parts/units/src/lib.rs", "1.609344", "2.0");
    package.edit("parts/not-random/src/lib.rs", "    4", "    5");
    let expected = expected.replace("160.9344\n4", "200\n5");
    assert_eq!(package.run(), expected, "after edits to dependencies");

    package.edit("parts/units/src/lib.rs", "2.0", "undefined()");
    package.cargo("build").fails();
    package.edit("parts/units/src/lib.rs", "undefined()", "2.0");
    assert_eq!(package.run(), expected, "after a mistake in one");
}

/// As people write it, with a crate that serde knows nothing of.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn errors_of_anyhow_come_back_with_their_sources() {
    let package = Package::plain("plain-anyhow");
    package.edit(
        "Cargo.toml",
        "[dependencies]",
        "[dependencies]\nanyhow = \"1\"",
    );
    package.write(
        "src/main.rs",
        r#"use anyhow::Context as _;

        #[wasp_core::virtine]
        fn half(text: &str) -> anyhow::Result<u32> {
            let number: u32 = text.parse().with_context(|| format!("not a number: {text}"))?;
            anyhow::ensure!(number % 2 == 0, "{number} is odd");
            Ok(number / 2)
        }

        fn main() -> anyhow::Result<()> {
            println!("{}; {:#}; {:#}", half("8")?, half("7").unwrap_err(), half("x").unwrap_err());
            Ok(())
        }"#,
    );
    assert_eq!(
        package.run(),
        "4; 7 is odd; not a number: x: invalid digit found in string\n"
    );
}
