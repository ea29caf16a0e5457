//! The deadline of raw guests that are served.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use wasp_core::{Cache, Error, Exit, Mode, Policy, Quota, SNAPSHOT_HYPERCALL, Virtine};

use super::{LATE, LIMIT};
use crate::backend::{self, MEMORY, START};

/// Makes the hypercall in RDI forever.
///
/// ```text
/// bf ff 00 00 00   mov edi, 0xff
/// e6 ff            out 0xff, al
/// eb f7            jmp to the mov
/// ```
const ASKING: [u8; 9] = [0xbf, 0xff, 0, 0, 0, 0xe6, 0xff, 0xeb, 0xf7];

fn cache(mode: Mode) -> Cache {
    let builder = Cache::builder(MEMORY).mode(mode).binary(ASKING, START);
    builder.deadline(LIMIT).build().expect("a cache")
}

fn timed<R>(work: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = work();
    let late = start.elapsed().saturating_sub(LIMIT);
    assert!(late < LATE, "{late:?} late");
    result
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn guest_that_asks_for_snapshots_for_ever_is_ended() {
    for mode in backend::modes(&[Mode::Protected32, Mode::Long64, Mode::User64]) {
        for approved in [false, true] {
            let builder = Cache::builder(MEMORY).mode(mode).binary(ASKING, START);
            let builder = builder.deadline(LIMIT);
            let builder = match approved {
                true => builder.allow_snapshot(),
                false => builder,
            };
            let cache = builder.build().expect("a cache");
            for _ in 0..2 {
                let mut lease = cache.get().expect("a virtine");
                let exit = timed(|| cache.serve(&mut lease, |_, call| panic!("{call:?}")));
                assert_eq!(exit.expect("served"), Exit::TimedOut, "{mode:?}");
                let mut lease = cache.get().expect("a virtine");
                let exit = timed(|| cache.serve_with(&mut lease, &Policy::new()));
                assert_eq!(exit.expect("served"), Exit::TimedOut, "{mode:?}");
            }
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn requests_for_snapshots_count_as_hypercalls() {
    let cache = cache(Mode::User64);
    let mut lease = cache.get().expect("a virtine");
    let policy = Policy::new().limit(Quota::Hypercalls, 3);
    let served = cache.serve_with(&mut lease, &policy);
    let Err(Error::QuotaExceeded { quota, limit: 3 }) = served else {
        panic!("{served:?}");
    };
    assert_eq!(quota, Quota::Hypercalls);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn handler_that_answers_for_ever_does_not_keep_its_guest_alive() {
    let mut virtine = Virtine::builder()
        .deadline(LIMIT)
        .build()
        .expect("a virtine");
    virtine.load_raw(&ASKING, START).expect("it fits");
    let mut calls = 0_u64;
    let exit = timed(|| {
        virtine.serve(|_, call| {
            assert_eq!(call.number, SNAPSHOT_HYPERCALL);
            calls += 1;
            Ok(ControlFlow::Continue(0))
        })
    });
    assert_eq!(exit.expect("served"), Exit::TimedOut);
    // It went on, however slow the machine is.
    assert!(calls > 1, "{calls}");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn time_in_the_handler_is_the_hosts() {
    let mut virtine = Virtine::builder()
        .deadline(LIMIT)
        .build()
        .expect("a virtine");
    virtine.load_raw(&ASKING, START).expect("it fits");
    let mut calls = 0;
    let exit = virtine.serve(|_, _| {
        calls += 1;
        std::thread::sleep(Duration::from_millis(40));
        Ok(match calls {
            5 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(0),
        })
    });
    assert!(matches!(exit, Ok(Exit::Hypercall { .. })), "{exit:?}");
}
