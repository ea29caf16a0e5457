//! Which std a function gets, and what else a guest has that the host has.

use packages::support::Package;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn function_that_needs_std_gets_it_and_the_choice_is_kept() {
    let package = Package::plain("plain-chooses");
    package.edit(
        "src/main.rs",
        "#[virtine]",
        "#[virtine]
        fn lists() -> bool { std::fs::read_dir(\"/\").is_ok() }
        #[virtine]",
    );
    package.edit(
        "src/main.rs",
        "fn main() {",
        "fn main() {\n    print!(\"{} \", lists());",
    );

    let first = package.cargo("run").succeeds();
    assert_eq!(first.stdout, "false answer: 41\n");
    assert_eq!(
        first.stderr.matches("`lists` gets the real std").count(),
        1,
        "{}",
        first.stderr
    );
    assert!(!first.stderr.contains("`answer` gets"), "{}", first.stderr);

    package.edit("src/main.rs", "\"/\"", "\"/etc\"");
    let second = package.cargo("run").succeeds();
    assert_eq!(second.stdout, "false answer: 41\n");
    assert!(
        !second.stderr.contains("gets the real std"),
        "{}",
        second.stderr
    );

    package.edit(
        "Cargo.toml",
        "[dependencies]",
        "[package.metadata.virtine]\nguest = \"both\"\n\n[dependencies]",
    );
    let errors = package.cargo("build").fails().stderr;
    assert!(errors.contains("found \"both\""), "{errors}");

    package.edit("Cargo.toml", "\"both\"", "\"core\"");
    let errors = package.cargo("build").fails().stderr;
    assert!(
        errors.contains("`lists` does not compile as a virtine"),
        "{errors}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn targets_of_one_name_choose_each_for_itself() {
    let package = Package::plain("plain-namesakes");
    let lists = |folder: &str| {
        format!(
            "#[wasp_core::virtine]
            fn lists() -> bool {{ std::fs::{folder}(\"/\").is_ok() }}
            fn main() {{ println!(\"{{}}\", lists()); }}"
        )
    };
    package.write("src/bin/shown.rs", &lists("read_dir"));
    package.write("examples/shown.rs", &lists("read_link"));

    for target in ["--bin", "--example"] {
        let run = package.cargo(&format!("run {target} shown")).succeeds();
        assert_eq!(run.stdout, "false\n", "{target}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn what_the_build_script_tells_cargo_holds_in_guests() {
    let package = Package::plain("plain-is-told");
    package.write(
        "build.rs",
        r#"fn main() {
            let out = std::env::var("OUT_DIR").unwrap();
            std::fs::write(format!("{out}/table.rs"), "pub fn at() -> u32 { crate::one() }").unwrap();
            std::fs::write(format!("{out}/words.txt"), "a b c").unwrap();
            virtine_build::build();
            println!("cargo::rustc-env=BUILD_ID=r42");
            println!("cargo::rustc-check-cfg=cfg(fast)");
            println!("cargo::rustc-cfg=fast");
        }"#,
    );
    package.edit(
        "src/main.rs",
        "mod arithmetic;",
        r#"mod arithmetic;
        mod table { include!(concat!(env!("OUT_DIR"), "/table.rs")); }
        fn one() -> u32 { 1 }
        #[cfg(fast)]
        const SPEED: u32 = 100;
        #[cfg(not(fast))]
        const SPEED: u32 = 0;
        fn told() -> String {
            let words = include_str!(concat!(env!("OUT_DIR"), "/words.txt"));
            let own = (env!("BUILD_ID"), option_env!("BUILD_ID"), env!("CARGO_PKG_NAME"));
            format!("{words} {own:?} {}", SPEED + table::at())
        }
        #[virtine]
        fn told_inside() -> String { told() }"#,
    );
    package.edit(
        "src/main.rs",
        "fn main() {",
        "fn main() {\n    assert_eq!(told(), told_inside());",
    );

    assert_eq!(package.run(), "answer: 41\n");
    let unchanged = package.cargo("build").succeeds().stderr;
    assert!(!unchanged.contains("Compiling"), "{unchanged}");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn new_targets_are_seen() {
    let package = Package::plain("plain-grows");
    assert_eq!(package.run(), "answer: 41\n");
    let source = "#[wasp_core::virtine]
        fn three() -> u32 { 3 }
        fn main() { println!(\"{}\", three()); }";

    package.write("src/bin/second.rs", source);
    assert_eq!(package.cargo("run --bin second").succeeds().stdout, "3\n");

    // In a new folder, which cargo cannot be told to watch before it is there.
    package.write("examples/shown.rs", source);
    let errors = package.cargo("run --example shown").fails().stderr;
    assert!(errors.contains("build again"), "{errors}");
    assert_eq!(
        package.cargo("run --example shown").succeeds().stdout,
        "3\n"
    );
}
