//! Calls from many threads.

use std::thread;

use wasp_core::{Cache, Error, Exit, Virtine, virtine};

use crate::backend::LOWEST;

#[virtine]
fn mixed(thread: u64, call: u64) -> (u64, Vec<u64>) {
    (thread * 1000 + call, (0..call % 7).collect())
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn thousand_calls_at_once_all_get_their_own_answer() {
    thread::scope(|scope| {
        for id in 0..1000 {
            scope.spawn(move || {
                assert_eq!(
                    mixed(id, id % 13),
                    (id * 1000 + id % 13, (0..id % 13 % 7).collect())
                )
            });
        }
    });
}

/// Runs `check` in a forked child. Returns true if it returns true there.
fn in_child(check: impl Fn() -> bool) -> bool {
    // SAFETY: the child runs `check`, which must take no lock, and ends without any clean-up.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let status = i32::from(!check());
            // SAFETY: ends the process.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` is a valid place for the answer.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            waited == child && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn forked_child_is_refused_and_harms_nobody() {
    let cache = Cache::builder(LOWEST + 0x1000)
        .binary([0xe6, 0xfa], LOWEST)
        .build()
        .expect("a cache");
    let mut virtine = cache.get().expect("a virtine");
    assert_eq!(mixed(1, 1).0, 1001);
    assert!(in_child(|| matches!(
        mixed::try_call(1, 1),
        Err(Error::Forked)
    )));
    assert!(in_child(|| matches!(cache.get(), Err(Error::Forked))));
    assert!(in_child(|| matches!(
        Virtine::builder().build(),
        Err(Error::Forked)
    )));
    assert_eq!(virtine.run().expect("a run"), Exit::Exited);
    assert_eq!(mixed(1, 2).0, 1002);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn threads_share_the_machines_fairly_enough_to_end() {
    thread::scope(|scope| {
        for id in 0..8 {
            scope.spawn(move || {
                for call in 0..100 {
                    assert_eq!(mixed(id, call).0, id * 1000 + call);
                }
            });
        }
    });
}
