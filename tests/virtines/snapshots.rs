//! With and without a snapshot, the answers are the same.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use wasp_core::{Error, virtine};

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
    // In a process of its own, since the variable is read at a function's first call.
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
