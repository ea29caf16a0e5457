//! A guest's panic reaches the caller with its message and location.

use std::panic;

use wasp_core::{Error, Panic, virtine};

#[virtine]
fn checked_index(values: &[u32], index: usize) -> u32 {
    values[index] // line 9
}

#[virtine]
fn shout(message: &str) {
    panic!("{message}"); // line 14
}

#[virtine]
fn unwrapped(text: &str) -> i32 {
    text.parse().unwrap_or_else(complain) // line 19
}

fn complain(error: std::num::ParseIntError) -> i32 {
    panic!("not a number: {error}") // line 23
}

fn panic_of<T>(result: Result<T, Error>) -> Panic {
    match result {
        Err(Error::Panicked(panic)) => panic,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("no error"),
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn message_file_line_and_column_are_the_users_own() {
    let panic = panic_of(checked_index::try_call(&[1, 2, 3], 3));
    assert_eq!(
        panic.message,
        "index out of bounds: the len is 3 but the index is 3"
    );
    assert_eq!(
        (panic.file.as_str(), panic.line, panic.column),
        (file!(), 9, 5)
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn panic_in_a_helper_names_the_helper() {
    let panic = panic_of(unwrapped::try_call("x"));
    assert_eq!(panic.message, "not a number: invalid digit found in string");
    assert_eq!((panic.file.as_str(), panic.line), (file!(), 23));
    assert_eq!(unwrapped("12"), 12);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn plain_call_panics_with_function_and_cause() {
    let payload = panic::catch_unwind(|| shout("help")).expect_err("a panic");
    let message = payload
        .downcast_ref::<String>()
        .expect("a formatted message");
    let expected = format!(
        "virtine `shout` failed: panicked in the virtine at {}:14:5: help",
        file!()
    );
    assert_eq!(*message, expected);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn long_message_is_cut_between_characters() {
    let message = "\u{20ac}".repeat(10_000);
    let cut = panic_of(shout::try_call(&message)).message;
    assert!(message.starts_with(&cut));
    assert_eq!(cut.len(), 4096 / 3 * 3);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn next_call_is_right_again() {
    for _ in 0..20 {
        assert!(checked_index::try_call(&[1], 1).is_err());
        assert_eq!(checked_index(&[1, 2], 1), 2);
    }
}

#[virtine(name = "the second reader")]
fn named() -> u8 {
    panic!("on purpose")
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn failure_calls_the_virtine_by_its_name() {
    let panic = std::panic::catch_unwind(named).expect_err("it panics");
    let message = panic.downcast_ref::<String>().expect("a text");
    assert!(
        message.starts_with("virtine `the second reader` failed"),
        "{message}"
    );
}
