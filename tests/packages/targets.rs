//! Virtines in every kind of target, with the same names in all of them.

use packages::support::Package;

const BINARY: &str = "library [100, 101, 102, 103, 100], binary [200, 201, 202, 200]\n";

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_target_calls_the_virtine_it_names() {
    let package = Package::copy("every-target");
    for profile in ["", "--release"] {
        for (arguments, printed) in [
            ("run --bin every-target", BINARY),
            ("run --bin second_binary", "library 100, binary 300\n"),
            ("run --example show_it", "library 100, example 400\n"),
        ] {
            let output = package.cargo(&format!("{arguments} {profile}")).succeeds();
            assert_eq!(output.stdout, printed, "{arguments} {profile}");
        }
        let tests = package.cargo(&format!("test {profile}")).succeeds().stdout;
        for test in ["unit_test_calls", "integration_test_calls"] {
            let passed = |line: &str| line.contains(test) && line.ends_with("... ok");
            assert!(tests.lines().any(passed), "{tests}");
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn panic_in_a_virtine_names_the_line_in_the_users_file() {
    let package = Package::copy("panics");
    let line = package.line_of("src/deep/inner.rs", "assert!");

    let output = package.cargo("run").fails();

    let place = format!("panicked in the virtine at src/deep/inner.rs:{line}:5: 7 is odd");
    assert!(output.stderr.contains(&place), "{}", output.stderr);
}
