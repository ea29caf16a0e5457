//! Host functions, called by virtines.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasp_core::{Capability, Error, Policy, Quota, virtine};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    id: u32,
    name: String,
}

static AUDITED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Uses features that no guest has, so that none of it may become part of the slice.
fn lookup(id: u32) -> Result<Row, String> {
    let thread = thread::current();
    let name = format!("{} {}", !thread.name().unwrap_or_default().is_empty(), id);
    match id {
        0 => Err("no such row".to_owned()),
        _ => Ok(Row { id, name }),
    }
}

mod journal {
    pub(super) fn audit(what: String, times: u8) {
        let line = format!(
            "{what} {times} {:?}",
            std::time::Instant::now() > std::time::Instant::now()
        );
        super::AUDITED.lock().expect("not poisoned").push(line);
    }
}

#[virtine(host(lookup, journal::audit))]
fn found(id: u32) -> Result<String, String> {
    journal::audit(format!("looked for {id}"), 2);
    let row = lookup(id)?;
    Ok(format!("{}: {}", row.id, row.name))
}

/// Audits nothing: other tests run beside the one that counts what is audited.
#[virtine(host(lookup))]
fn name_of(id: u32) -> Result<String, String> {
    lookup(id).map(|row| row.name)
}

#[virtine]
fn unlisted(id: u32) -> bool {
    lookup(id).is_ok()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn host_functions_run_on_the_host_with_typed_arguments() {
    assert_eq!(found(7), Ok("7: true 7".to_owned()));
    assert_eq!(found(0), Err("no such row".to_owned()));
    let audited = AUDITED.lock().expect("not poisoned");
    assert_eq!(*audited, ["looked for 7 2 false", "looked for 0 2 false"]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn function_that_is_not_listed_is_denied() {
    match unlisted::try_call(1) {
        Err(Error::Panicked(panic)) => {
            assert!(panic.message.contains("Permission denied"), "{panic}")
        }
        other => panic!("{other:?}"),
    }
    let strict = unlisted::with(Policy::new().strict()).try_call(1);
    let named = matches!(&strict, Err(Error::Denied { capability: Capability::Host, argument }) if argument == "lookup");
    assert!(named, "{strict:?}");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn closures_take_the_place_of_functions_and_keep_their_state() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let policy = Policy::new().host("lookup", move |id: u32| {
        counted.fetch_add(1, Ordering::Relaxed);
        // More than the guest's first buffer holds.
        Ok::<Row, String>(Row {
            id,
            name: "x".repeat(100_000),
        })
    });
    assert!(unlisted::with(&policy).call(3));
    assert!(unlisted::with(&policy).call(4));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    let few = unlisted::with(policy.limit(Quota::BytesRead, 1000).strict()).try_call(1);
    assert!(
        matches!(
            few,
            Err(Error::QuotaExceeded {
                quota: Quota::BytesRead,
                ..
            })
        ),
        "{few:?}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn panic_of_a_host_function_is_an_error_of_the_call() {
    let policy = Policy::new().host("lookup", |id: u32| -> Result<Row, String> {
        panic!("the database is gone, {id}")
    });
    match unlisted::with(&policy).try_call(9) {
        Err(Error::HostFunction { function, reason }) => {
            assert_eq!(function, "lookup");
            assert_eq!(reason, "panicked: the database is gone, 9");
        }
        other => panic!("{other:?}"),
    }
    // A type that differs from the guest's is detected.
    let other = Policy::new().host("lookup", |id: String| id);
    assert!(matches!(
        unlisted::with(other).try_call(9),
        Err(Error::Panicked(_))
    ));
    assert_eq!(name_of(1), Ok("true 1".to_owned()));
}

#[virtine(host(slow), timeout = "500ms")]
fn waits() -> u32 {
    slow(1500)
}

fn slow(milliseconds: u64) -> u32 {
    thread::sleep(Duration::from_millis(milliseconds));
    1
}

#[virtine(host(slow), timeout = "100ms")]
fn waits_and_spins() -> u32 {
    slow(1);
    loop {
        std::hint::spin_loop();
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn time_of_host_functions_is_not_the_guests() {
    assert_eq!(waits(), 1);
    let ended = waits_and_spins::try_call();
    assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
}

#[virtine(host(again, beside))]
fn recursive(depth: u32) -> String {
    match depth {
        0 => beside(3),
        _ => again(depth),
    }
}

fn again(depth: u32) -> String {
    match recursive::try_call(depth) {
        Err(error @ Error::Reentered { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn beside(n: u32) -> String {
    waits_not(n).to_string()
}

#[virtine]
fn waits_not(n: u32) -> u32 {
    n + 1
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn host_function_may_call_any_virtine_but_its_caller() {
    assert_eq!(recursive(0), "4");
    let refused = "`recursive` was called by a host function that it had called itself";
    assert_eq!(recursive(1), refused);
    assert_eq!(recursive(0), "4");
}
