//! A canceller ends its own run and no other.

use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::backend::{self, MEMORY};
use crate::skipped;
use wasp_core::linux::Program;
use wasp_core::{Cache, CancelToken, Canceller, Error, Exit, Mode, Policy, virtine};

/// e6 fa: out 0xfa, al
const EXITING: [u8; 2] = [0xe6, 0xfa];
/// eb fe: jmp to itself
const SPINNING: [u8; 2] = [0xeb, 0xfe];

fn cache(mode: Mode, code: &[u8]) -> Cache {
    let builder = Cache::builder(MEMORY)
        .mode(mode)
        .binary(code, backend::start(mode));
    builder.limit(1).build().expect("a cache")
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn old_canceller_does_not_end_the_next_lease() {
    for mode in backend::modes(&[Mode::User64, Mode::Long64, Mode::Real16]) {
        let cache = cache(mode, &EXITING);
        let mut stale: Vec<Canceller> = Vec::new();
        for _ in 0..5 {
            let mut lease = cache.get().expect("a virtine");
            stale.iter().for_each(Canceller::cancel);
            assert_eq!(lease.run().expect("a run"), Exit::Exited, "{mode:?}");
            stale.push(lease.canceller());
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn request_that_is_pending_goes_with_its_lease() {
    for mode in backend::modes(&[Mode::User64, Mode::Long64]) {
        let cache = cache(mode, &EXITING);
        for _ in 0..5 {
            let lease = cache.get().expect("a virtine");
            lease.canceller().cancel();
            drop(lease);
            let mut next = cache.get().expect("a virtine");
            assert_eq!(next.run().expect("a run"), Exit::Exited, "{mode:?}");
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn storm_of_old_cancellers_reaches_nobody() {
    let cache = cache(Mode::User64, &EXITING);
    let stale = cache.get().expect("a virtine").canceller();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                stale.cancel();
            }
        });
        for round in 0..2_000 {
            let mut lease = cache.get().expect("a virtine");
            let exit = lease.run().expect("a run");
            if exit != Exit::Exited {
                over.store(true, Ordering::Relaxed);
            }
            assert_eq!(exit, Exit::Exited, "{round}");
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn canceller_ends_the_run_of_its_own_lease() {
    let cache = cache(Mode::User64, &SPINNING);
    for _ in 0..5 {
        let mut lease = cache.get().expect("a virtine");
        let canceller = lease.canceller();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(5));
                canceller.cancel();
            });
            assert_eq!(lease.run().expect("a run"), Exit::Cancelled);
        });
        lease.canceller().cancel();
        assert_eq!(
            lease.run().expect("a run"),
            Exit::Cancelled,
            "a pending one"
        );
    }
}

/// A guest with constant hypercalls is mostly between two runs, or at the end of one, when it is cancelled.
///
/// ```text
/// bf 07 00 00 00   mov edi, 7
/// e6 ff            out 0xff, al
/// eb f7            jmp to the mov
/// ```
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn request_that_meets_the_end_of_a_run_is_not_lost() {
    const ASKING: [u8; 9] = [0xbf, 7, 0, 0, 0, 0xe6, 0xff, 0xeb, 0xf7];
    let cache = cache(Mode::User64, &ASKING);
    for round in 0..40 {
        let mut lease = cache.get().expect("a virtine");
        let canceller = lease.canceller();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_micros(2_000 + 37 * round));
                canceller.cancel();
            });
            let exit = lease.serve(|_, _| Ok(ControlFlow::Continue(0)));
            assert_eq!(exit.expect("served"), Exit::Cancelled, "{round}");
        });
    }
}

#[virtine(allow(clock))]
fn asks() {
    loop {
        std::hint::black_box(Instant::now());
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn token_ends_a_call_that_keeps_asking() {
    for _ in 0..10 {
        cancelled(|token| asks::cancelled_by(token).try_call());
    }
}

#[virtine]
fn spins() {
    loop {
        core::hint::spin_loop();
    }
}

#[virtine]
fn adds(a: u32, b: u32) -> u32 {
    a + b
}

#[virtine(allow(stdin))]
fn listens() -> io::Result<usize> {
    io::stdin().read(&mut [0; 8])
}

#[virtine(std, allow(clock))]
fn sleeps() {
    thread::sleep(Duration::from_secs(60));
}

/// Cancels a call some milliseconds after it has begun.
fn cancelled<R: std::fmt::Debug + Send>(
    call: impl FnOnce(&CancelToken) -> Result<R, Error> + Send,
) {
    let token = CancelToken::new();
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            token.cancel();
        });
        let result = call(&token);
        assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
    });
    assert!(start.elapsed() < Duration::from_secs(8), "no deadline");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn token_ends_calls_wherever_they_are() {
    cancelled(|token| spins::cancelled_by(token).try_call());
    cancelled(|token| sleeps::cancelled_by(token).try_call());
    let (reader, _writer) = io::pipe().expect("a pipe");
    let policy = Policy::new().stdin_from(OwnedFd::from(reader));
    cancelled(|token| listens::with(policy).cancelled_by(token).try_call());
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn token_ends_programs_too() {
    let Ok(busybox) = Program::open("/bin/busybox") else {
        return skipped::tell("token_ends_programs_too", "no /bin/busybox");
    };
    let sleeping = busybox.args(["sleep", "60"]).policy(Policy::new().clock());
    cancelled(|token| sleeping.cancelled_by(token).status());
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn token_ends_its_own_calls_now_and_later_and_no_others() {
    let token = CancelToken::new();
    let calls = adds::cancelled_by(&token);
    assert_eq!(calls.try_call(1, 2).expect("not yet"), 3);
    token.clone().cancel();
    assert!(token.is_cancelled());
    for _ in 0..3 {
        let later = calls.try_call(1, 2);
        assert!(matches!(later, Err(Error::Cancelled)), "{later:?}");
        assert_eq!(adds(1, 2), 3, "nobody cancels this one");
        let other = adds::cancelled_by(&CancelToken::new()).try_call(1, 2);
        assert_eq!(other.expect("another token"), 3);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn one_token_ends_many_calls_at_once() {
    let token = CancelToken::new();
    thread::scope(|scope| {
        let calls: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| spins::cancelled_by(&token).try_call()))
            .collect();
        thread::sleep(Duration::from_millis(50));
        token.cancel();
        for call in calls {
            let result = call.join().expect("no panic");
            assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
        }
    });
}
