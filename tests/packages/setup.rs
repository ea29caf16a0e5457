//! A package that has not been set up for virtines, which `cargo check` finds out.

use packages::support::Package;

#[test]
fn missing_build_script_is_named() {
    let package = Package::plain("plain-no-script");
    package.remove("build.rs");
    let errors = package.cargo("check").fails().stderr;
    for part in [
        "virtine-build",
        "[build-dependencies]",
        "build.rs",
        "src/main.rs:8:",
    ] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
}

#[test]
fn build_script_without_the_call_is_told_to_make_it() {
    let package = Package::plain("plain-idle-script");
    package.write("build.rs", "fn main() {}\n");
    let errors = package.cargo("check").fails().stderr;
    for part in [
        "call `virtine_build::build()`",
        "build.rs",
        "src/main.rs:9:",
    ] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
}
