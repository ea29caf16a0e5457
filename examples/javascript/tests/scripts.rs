//! Needs /dev/kvm.
#![cfg(not(without_kvm))]

use javascript::{evaluate, lifetimes};
use wasp_core::Error;

#[test]
fn json_goes_in_and_comes_out() {
    let script = "({ sum: input.numbers.reduce((a, b) => a + b, 0), kind: typeof input })";
    let result = evaluate(script, r#"{ "numbers": [1, 2, 39] }"#);
    assert_eq!(result.as_deref(), Ok(r#"{"kind":"object","sum":42}"#));
    assert_eq!(evaluate("undefined", "null").as_deref(), Ok("null"));
}

#[test]
fn nothing_of_a_script_is_left_for_the_next() {
    for _ in 0..3 {
        let script = "globalThis.count = (globalThis.count || 0) + 1; Array.prototype.x = 1; count";
        assert_eq!(evaluate(script, "null").as_deref(), Ok("1"));
        assert_eq!(
            evaluate("[].x === undefined", "null").as_deref(),
            Ok("true")
        );
    }
}

#[test]
fn what_a_script_throws_is_its_error() {
    let thrown = evaluate("throw new TypeError('no')", "null").expect_err("thrown");
    assert!(thrown.contains("TypeError: no"), "{thrown}");
    assert!(evaluate("1 +", "null").is_err());
    assert!(evaluate("1", "{").is_err());
}

#[test]
fn script_that_loops_is_ended() {
    let ended = evaluate::try_call("for (;;);", "null");
    assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
}

#[test]
fn script_that_allocates_without_end_is_ended() {
    let script = "const all = []; for (;;) all.push(new Array(1000).fill(all.length));";
    let ended = evaluate::try_call(script, "null");
    assert!(
        matches!(
            ended,
            Err(Error::OutOfMemory { .. } | Error::TimedOut { .. })
        ),
        "{ended:?}"
    );
}

#[test]
fn script_that_recurses_is_told_so() {
    let thrown = evaluate("function f() { return f() + 1 } f()", "null").expect_err("thrown");
    assert!(
        thrown.contains("maximum number of recursive calls"),
        "{thrown}"
    );
}

#[test]
fn it_is_the_same_script_however_long_the_engine_lives() {
    let script = "input.split('').reverse().join('')";
    for lived in [
        lifetimes::native,
        lifetimes::whole,
        lifetimes::without_teardown,
        lifetimes::with_teardown,
    ] {
        assert_eq!(lived(script, r#""abc""#).as_deref(), Ok(r#""cba""#));
        assert!(lived("throw 1", "null").is_err());
    }
}
