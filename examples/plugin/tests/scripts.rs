//! Scripts that behave, and scripts that do not.

use std::process::{Command, Output};

use plugin::{ScriptError, run};
use wasp_core::Error;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn scripts_compute_with_what_the_host_tells_them() {
    assert_eq!(run("price quantity *"), Ok(78.0));
    assert_eq!(run("1 discount - price *"), Ok(17.55));
    assert_eq!(run("3 dup *"), Ok(9.0));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn wrong_scripts_are_errors_with_the_word() {
    assert_eq!(
        run("price cost +"),
        Err(ScriptError::Unknown("cost".to_owned()))
    );
    assert_eq!(run("1 +"), Err(ScriptError::Missing("+".to_owned())));
    assert_eq!(run("1 2"), Err(ScriptError::Left(2)));
    assert_eq!(run(""), Err(ScriptError::Left(0)));
    assert_eq!(run("1 1 loop"), Err(ScriptError::Full));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn script_without_end_is_ended_and_the_next_one_runs() {
    let error = run::try_call("1 loop").expect_err("it never ends");
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert_eq!(run("1 1 +"), Ok(2.0));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn script_that_asks_without_end_is_stopped_by_the_host() {
    let output = program("1 log loop");
    assert!(!output.status.success());
    let log = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(log.lines().count(), 100, "{log}");
    let message = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(
        message,
        "plugin: the script is wrong: the host's log is full\n"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn program_prints_the_log_and_the_result() {
    let output = program("price log quantity *");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"a script says 19.5\n78\n");
}

fn program(script: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plugin"))
        .arg(script)
        .output()
        .expect("the program starts")
}
