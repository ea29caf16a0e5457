//! What a call costs, beside the floor.
//!
//!     cargo bench -p wasp-core
//!     cargo bench -p wasp-core -- pages data processes    these alone
//!
//! Every line is a comparison of its own: see `compare`. Printed are the floor that was measured beside
//! it, its median and 99th percentile, and the ratio of the medians. Every result is checked. The rows go to
//! target/benches/results.csv, with the processor and the date, the raw samples to target/benches/calls.csv.

use std::hint::black_box;

use compare::{Rounds, Subject, compare};
use floor::Floor;
use kvm_ioctls::Kvm;
use report::Report;

mod cleaning;
mod compare;
mod data;
mod deadline;
mod floor;
mod hypercalls;
mod machine;
mod memory;
mod pages;
mod processes;
mod raw;
mod report;
mod threads;

const WARM: Rounds = Rounds {
    warm_up: 500,
    timed: 10_000,
};
const COLD: Rounds = Rounds {
    warm_up: 10,
    timed: 300,
};
const MEBIBYTE: usize = 1 << 20;

fn main() {
    let kvm = Kvm::new().expect("/dev/kvm");
    let cpuid = kvm.get_supported_cpuid(256).expect("CPUID");
    let floor = || Floor::new(&kvm, &cpuid);
    let mut report = Report::new();
    let asked = |name: &str| std::env::args().any(|argument| argument == name);
    if ["pages", "data", "processes"].into_iter().any(asked) {
        if asked("pages") {
            pages::measure(&mut report);
        }
        if asked("data") {
            data::measure(&mut report, &floor);
        }
        if asked("processes") {
            processes::measure(&mut report, &floor);
        }
        return report.store();
    }
    calls(&mut report, &floor);
    raw_calls(&mut report, &floor);
    sizes(&mut report, &floor);
    cold(&mut report, &floor);
    cleaning::measure(&mut report);
    threads::measure(&mut report, "two bare machines", None, || {
        let mut floor = floor();
        move || floor.call()
    });
    threads::measure(&mut report, "two threads", Some(1.0), || {
        || assert_eq!(virtine_tests::add(1, 2), 3)
    });
    hypercalls::measure(&mut report, &floor);
    deadline::measure(&mut report);
    memory::measure(&mut report);
    pages::measure(&mut report);
    data::measure(&mut report, &floor);
    processes::measure(&mut report, &floor);
    report.store();
}

/// Functions, by the pages that they write.
fn calls(report: &mut Report, floor: &dyn Fn() -> Floor) {
    let calls: [(&'static str, fn(), f64); 7] = [
        ("empty call", virtine_tests::empty, 1.05),
        (
            "add(u64, u64)",
            || assert_eq!(virtine_tests::add(1, 2), 3),
            1.06,
        ),
        (
            "add(u64, u64) with the real std",
            || assert_eq!(virtine_tests::add_with_std(1, 2), 3),
            1.06,
        ),
        (
            "1 page written",
            || assert_eq!(virtine_tests::write_1(), 1),
            1.06,
        ),
        (
            "4 pages written",
            || assert_eq!(virtine_tests::write_4(), 4),
            1.06,
        ),
        (
            "16 pages written",
            || assert_eq!(virtine_tests::write_16(), 16),
            1.12,
        ),
        (
            "64 pages written",
            || assert_eq!(virtine_tests::write_64(), 64),
            1.45,
        ),
    ];
    for (name, call, aim) in calls {
        let mut floor = floor();
        let pair = [
            Subject::new("floor", || floor.call()),
            Subject::new(name, call),
        ];
        compare(report, WARM, pair, Some(aim), |others| others[0]);
    }
}

fn raw_calls(report: &mut Report, floor: &dyn Fn() -> Floor) {
    let (mut bare, cache) = (floor(), raw::cache(1 << 20, 1 << 14));
    let pair = [
        Subject::new("floor", || bare.call()),
        Subject::new("raw virtine: get, run, put", || raw::call(&cache)),
    ];
    compare(report, WARM, pair, Some(1.05), |others| others[0]);
    let (mut bare, mut virtine) = (floor(), raw::caller(1 << 20));
    bare.call();
    let pair = [
        Subject::new("floor", || bare.exit()),
        Subject::new("hypercall, there and back", || raw::run(&mut virtine)),
    ];
    compare(report, WARM, pair, Some(1.1), |others| others[0]);
}

fn sizes(report: &mut Report, floor: &dyn Fn() -> Floor) {
    let (small, large) = (
        raw::cache(32 << 20, 16 << 10),
        raw::cache(32 << 20, 16 << 20),
    );
    let pair = [
        Subject::new("image of 16 KiB", || raw::call(&small)),
        Subject::new("image of 16 MiB, against 16 KiB", || raw::call(&large)),
    ];
    compare(report, WARM, pair, Some(1.1), |others| others[0]);
    let bytes: Vec<u8> = (0..MEBIBYTE).map(|n| n as u8).collect();
    let (mut copy, mut floor) = (vec![0_u8; MEBIBYTE], floor());
    let trio = [
        Subject::new("floor", || floor.call()),
        Subject::new("memcpy of 1 MiB", || {
            copy.copy_from_slice(black_box(&bytes))
        }),
        Subject::new("1 MiB slice, by 1.5 memcpy + floor", || {
            assert_eq!(virtine_tests::measure(&bytes), MEBIBYTE as u64 + 255)
        }),
    ];
    compare(report, WARM, trio, Some(1.0), |others| {
        others[0] + 1.5 * others[1]
    });
}

/// From nothing to the first result.
fn cold(report: &mut Report, floor: &dyn Fn() -> Floor) {
    let pair = [
        Subject::making("floor", || {
            let mut floor = floor();
            floor.call();
            floor
        }),
        Subject::making("virtine from nothing", || {
            let mut virtine = raw::caller(4 << 20);
            raw::run(&mut virtine);
            virtine
        }),
    ];
    compare(report, COLD, pair, Some(1.15), |others| others[0]);
}
