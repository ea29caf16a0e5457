//! Guests in processes, beside the bare exit of a virtual machine.

use crate::compare::{Rounds, Subject, compare};
use crate::floor::Floor;
use crate::report::Report;
use crate::threads;
use virtine_tests::processes;

const ROUNDS: Rounds = Rounds {
    warm_up: 500,
    timed: 5_000,
};
const MANY: u64 = 100;

/// Calls by pages written, hypercalls, and two threads.
pub(crate) fn measure(report: &mut Report, floor: &dyn Fn() -> Floor) {
    let calls: [(&'static str, fn()); 6] = [
        ("empty call by process", processes::empty),
        ("add(u64, u64) with the real std, by process", || {
            assert_eq!(processes::add_with_std(1, 2), 3);
        }),
        ("1 page written by process", || {
            assert_eq!(processes::write_1(), 1)
        }),
        ("16 pages written by process", || {
            assert_eq!(processes::write_16(), 16)
        }),
        ("64 pages written by process", || {
            assert_eq!(processes::write_64(), 64)
        }),
        ("256 pages written by process", || {
            assert_eq!(processes::write_256(), 256)
        }),
    ];
    for (name, call) in calls {
        let mut floor = floor();
        let pair = [
            Subject::new("floor", || floor.call()),
            Subject::new(name, call),
        ];
        compare(report, ROUNDS, pair, None, |others| others[0]);
    }
    let mut bare = floor();
    bare.call();
    let pair = [
        Subject::new("101 bare exits", || (0..=MANY).for_each(|_| bare.exit())),
        Subject::new("call with 100 hypercalls, by process", || {
            assert_eq!(processes::ask(MANY), 0);
        }),
    ];
    compare(report, ROUNDS, pair, None, |others| others[0]);
    threads::measure(report, "two threads, by process", None, || {
        || processes::empty()
    });
}
