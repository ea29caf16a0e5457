//! Results are the same with and without a snapshot.

use std::env;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wasp_core::{CancelToken, Error, virtine};

static STATE: AtomicU32 = AtomicU32::new(10);

#[virtine(snapshot = false)]
fn from_the_image(text: &str) -> (u32, String) {
    (STATE.fetch_add(1, Ordering::Relaxed), text.to_uppercase())
}

#[virtine]
fn from_the_snapshot(text: &str) -> (u32, String) {
    (STATE.fetch_add(1, Ordering::Relaxed), text.to_uppercase())
}

#[virtine(snapshot = false, timeout = "300ms")]
fn endless_from_the_image(forever: bool) {
    loop {
        core::hint::spin_loop();
        if !forever {
            return;
        }
    }
}

static TABLE: OnceLock<Vec<u64>> = OnceLock::new();
static LOADED: AtomicU32 = AtomicU32::new(0);

mod tables {
    /// Fills the table with squares.
    pub(super) fn load() {
        super::LOADED.fetch_add(1, super::Ordering::Relaxed);
        let squares = (0..10_000_u64).map(|n| n * n).collect();
        super::TABLE.set(squares).expect("it runs once");
    }
}

/// Looks up a square. Also returns how often the table was filled.
#[virtine(init = tables::load)]
fn prepared(n: usize) -> (Option<u64>, u32) {
    let found = TABLE.get().and_then(|table| table.get(n).copied());
    (found, LOADED.load(Ordering::Relaxed))
}

#[virtine(init = tables::load, snapshot = false)]
fn prepared_every_time(n: usize) -> (Option<u64>, u32) {
    prepared(n)
}

fn refuse() {
    panic!("not today");
}

#[virtine(init = refuse)]
fn never_prepared() -> u32 {
    1
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn initialisation_runs_once_before_the_snapshot() {
    for n in [3, 9_999, 0, 3] {
        assert_eq!(prepared(n), (Some((n * n) as u64), 1));
        assert_eq!(prepared_every_time(n), (Some((n * n) as u64), 1));
    }
    assert_eq!(prepared(10_000), (None, 1));
    assert!(TABLE.get().is_none(), "the host's own is the host's");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn initialisation_that_panics_is_every_calls_error() {
    for _ in 0..3 {
        let error = never_prepared::try_call().expect_err("it panics");
        assert!(matches!(error, Error::Panicked(_)), "{error:?}");
        assert!(error.to_string().ends_with("not today"), "{error}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn both_ways_give_the_same_fresh_answers() {
    for _ in 0..10 {
        assert_eq!(from_the_image("abc"), (10, "ABC".to_owned()));
        assert_eq!(from_the_snapshot("abc"), (10, "ABC".to_owned()));
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn deadline_holds_without_a_snapshot_too() {
    assert!(matches!(
        endless_from_the_image::try_call(true),
        Err(Error::TimedOut { .. })
    ));
    endless_from_the_image(false);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn environment_variable_switches_snapshots_off() {
    // In a separate process, because the variable is read at a function's first call.
    let this = env::current_exe().expect("the test binary");
    let test = "snapshots::both_ways_give_the_same_fresh_answers";
    let output = Command::new(this)
        .args(["--exact", test])
        .env("WASP_NO_SNAPSHOT", "1")
        .output()
        .expect("the child runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

fn hang() {
    loop {
        core::hint::spin_loop();
    }
}

#[virtine(init = hang, timeout = "300ms")]
fn never_ready() -> u32 {
    1
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn initialisation_that_hangs_holds_each_of_many_first_calls_once() {
    let start = Instant::now();
    thread::scope(|scope| {
        let call = || {
            let result = never_ready::try_call();
            assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
        };
        for _ in 0..6 {
            scope.spawn(call);
        }
    });
    let taken = start.elapsed();
    assert!(taken < Duration::from_millis(900), "{taken:?}");
    let token = CancelToken::new();
    token.cancel();
    let result = never_ready::cancelled_by(&token).try_call();
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
}
