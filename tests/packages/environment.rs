//! What surrounds a build must neither hang it nor change the guest.

use packages::support::{Package, shared_target_dir};

const ANSWER: &str = "answer: 41\n";

/// A nested cargo in the outer one's target directory would wait for its lock without end, and
/// one that takes no part in the outer one's job server for a job.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn inherited_target_dir_and_a_single_job_do_not_deadlock() {
    let package = Package::plain("plain-target-dir");
    let target_dir = shared_target_dir().display().to_string();
    let run = package
        .cargo("run -j1")
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("CARGO_BUILD_TARGET_DIR", &target_dir);
    assert_eq!(run.succeeds().stdout, ANSWER);
}

/// A build directory has a lock of its own.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn configured_build_dir_does_not_deadlock_and_sources_stay_as_they_are() {
    let package = Package::plain("plain-build-dir");
    let config = format!("[build]\nbuild-dir = {:?}\n", shared_target_dir());
    package.write(".cargo/config.toml", &config);
    let before = package.files();

    let output = package.cargo("run").without_target_dir().succeeds();

    assert_eq!(output.stdout, ANSWER);
    let new: Vec<String> = package
        .files()
        .into_iter()
        .filter(|file| !before.contains(file))
        .collect();
    assert_eq!(new, ["target"]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn users_cargo_configuration_does_not_reach_the_guest() {
    let package = Package::copy("hostile-config");
    assert_eq!(package.run(), "answer: 4096\n");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn of_the_environments_rustflags_only_cfgs_reach_the_guest() {
    let package = Package::plain("plain-rustflags");
    let by_cfg = "#![allow(unexpected_cfgs)]\n#[cfg(x)]\npub fn twice(x: u32) -> u32 { x * 2 }\n\
                  #[cfg(not(x))]\npub fn twice(_: u32) -> u32 { 0 }\n";
    package.write("src/arithmetic.rs", by_cfg);
    // The flags and the target of `hostile-config`, so that its dependencies serve here too.
    let flags = ["--cfg", "x", "-Ctarget-cpu=native", "-Dwarnings"];
    let run = package
        .cargo("run")
        .env("RUSTFLAGS", &flags.join(" "))
        .env("CARGO_ENCODED_RUSTFLAGS", &flags.join("\u{1f}"))
        .env("CARGO_BUILD_TARGET", "x86_64-unknown-linux-gnu")
        .env("CARGO_PROFILE_RELEASE_PANIC", "unwind");
    assert_eq!(run.succeeds().stdout, ANSWER);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn path_with_spaces_and_other_alphabets_is_no_obstacle() {
    let package = Package::plain_in("a b \u{e4}\u{f6}\u{fc} \u{5c71}'s", "plain-odd-path");
    assert_eq!(package.run(), ANSWER);
}
