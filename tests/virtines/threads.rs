//! Calls from many threads.

use std::thread;

use wasp_core::virtine;

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
