//! Mistakes, and where and how cargo tells them.

use packages::support::Package;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn guest_error_names_the_users_line_once_and_goes_with_its_cause() {
    let package = Package::copy("reaches-files");
    package.edit(
        "src/main.rs",
        "#[virtine]\nfn answer",
        "#[virtine(core)]\nfn answer",
    );
    let line = package.line_of("src/main.rs", "std::fs::read_dir");

    let errors = package.cargo("build").fails().stderr;

    let place = format!("src/main.rs:{line}:");
    assert_eq!(errors.matches(&place).count(), 1, "{errors}");
    assert!(errors.contains("does not compile as a virtine"), "{errors}");
    let path = "reached by: `answer` -> `read_dir` -> `std::fs::read_dir`";
    assert!(errors.contains(path), "{errors}");
    assert!(errors.contains("leave out `core`, and"), "{errors}");
    // As before: the error does not go by itself, and is not forgotten.
    assert_eq!(
        package
            .cargo("build")
            .fails()
            .stderr
            .matches(&place)
            .count(),
        1
    );

    package.edit(
        "src/main.rs",
        "std::fs::read_dir(\"/etc\")",
        "\"9\".parse::<std::ops::Range<u8>>()",
    );
    assert!(package.cargo("build").fails().stderr.contains("FromStr"));

    package.edit(
        "src/main.rs",
        "\"9\".parse::<std::ops::Range<u8>>()",
        "Ok::<_, u8>([0_u8; 4].into_iter())",
    );
    assert_eq!(package.run(), "answers: 7 8\n");
}

#[test]
fn virtine_in_an_impossible_place_is_told_where_it_may_stand() {
    let package = Package::copy("misplaced");

    let errors = package.cargo("build").fails().stderr;

    for name in ["in_modules_body", "associated", "from_macro"] {
        let message =
            format!("no function `{name}` here: #[virtine] supports functions in modules and");
        assert_eq!(errors.matches(&message).count(), 1, "{name} in {errors}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn dependency_that_needs_std_is_named_where_it_is_used() {
    let package = Package::copy("dependencies");
    pin_to_core(&package);
    let file = "parts/units/src/lib.rs";
    package.edit(file, "#![no_std]", "");
    package.edit(file, "1.609344", "std::env::args().count() as f64");
    let line = package.line_of("src/main.rs", "fn distance");

    let errors = package.cargo("build").fails().stderr;

    let message = "the crate `units` needs the standard library";
    assert_eq!(errors.matches(message).count(), 1, "{errors}");
    assert!(errors.contains(&format!("src/main.rs:{line}:")), "{errors}");
    let file_told = errors.matches("src/main.rs").count();
    assert_eq!(file_told, 1, "no more is told: {errors}");

    // Reached by name, since methods of a type stay together, and not called.
    package.edit(
        "src/main.rs",
        "units::kilometres(miles)",
        "Miles(miles).doubled()",
    );
    package.edit(
        "src/main.rs",
        "fn main() {",
        "struct Miles(f64);
        impl Miles {
            fn doubled(&self) -> f64 { self.0 * 2.0 }
            fn kilometres(&self) -> f64 { units::kilometres(self.0) }
        }
        fn main() {
            let _ = Miles::kilometres;",
    );
    assert!(package.run().contains("true 200\n"));

    package.edit("src/main.rs", "self.0 * 2.0", "self.kilometres()");
    let errors = package.cargo("build").fails().stderr;
    assert_eq!(errors.matches(message).count(), 1, "{errors}");
    assert!(
        errors.contains("`distance` -> `Miles::kilometres`"),
        "{errors}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn default_features_reach_guests_and_one_that_is_left_out_is_named() {
    let package = Package::copy_as("dependencies", "dependencies-features");
    pin_to_core(&package);
    let manifest = "parts/units/Cargo.toml";
    let features = "[features]\ndefault = [\"exact\", \"std\"]\nexact = []\nstd = []\n\n[package]";
    package.edit(manifest, "[package]", features);
    package.edit(
        "parts/units/src/lib.rs",
        "1.609344\n}",
        "EXACT\n}\n#[cfg(feature = \"exact\")]\nconst EXACT: f64 = 1.609344;",
    );
    assert!(package.run().contains("true 160.9344\n"));

    package.edit(
        "Cargo.toml",
        "json = { features = [\"alloc\"] }",
        "json = { features = [\"alloc\"] }\nunits = { features = [] }",
    );
    let errors = package.cargo("build").fails().stderr;
    let message = "the crate `units` does not compile in a guest";
    assert_eq!(errors.matches(message).count(), 1, "{errors}");
    assert!(errors.contains("cannot find value `EXACT`"), "{errors}");
}

/// Gives no function of the package the real std.
fn pin_to_core(package: &Package) {
    package.edit(
        "Cargo.toml",
        "[package.metadata.virtine.dependencies]",
        "[package.metadata.virtine]\nguest = \"core\"\n\n[package.metadata.virtine.dependencies]",
    );
}
