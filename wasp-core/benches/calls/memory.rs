//! What an idle virtine holds of the user's memory.

use std::fs;
use std::sync::Barrier;
use std::thread;

use wasp_core::{Cache, Lease};

use crate::raw;
use crate::report::{Report, Row};

const VIRTINES: usize = 32;

/// Runs so many virtines of one image at a time, gives them back, and divides what the process has more
/// of its own then than with one.
pub(crate) fn measure(report: &mut Report) {
    let cache = raw::cache(16 << 20, 1 << 20);
    use_up(&cache, 1);
    let before = own_kibibytes();
    use_up(&cache, 1 + VIRTINES);
    let each = (own_kibibytes() - before) / VIRTINES as f64;
    assert_eq!(cache.size(), 1 + VIRTINES);
    add(report, "memory of an idle virtine", Some(1.0), each);
    add(report, "the same with the real std", None, with_std());
}

fn add(report: &mut Report, name: &'static str, aim: Option<f64>, each: f64) {
    report.add(Row {
        name,
        unit: "KiB, against 128",
        floor: 128.0,
        median: each,
        p90: None,
        p99: each,
        aim,
    });
}

/// What each further virtine of a function takes. The threads that call have been there before, so that
/// their stacks, which the C library keeps, count on both sides.
fn with_std() -> f64 {
    let all_at_once = |call: fn()| {
        let threads: Vec<_> = (0..virtine_tests::MEETING)
            .map(|_| thread::spawn(call))
            .collect();
        for thread in threads {
            thread.join().expect("a call");
        }
    };
    virtine_tests::meets(false);
    static HERE: Barrier = Barrier::new(virtine_tests::MEETING);
    all_at_once(|| {
        HERE.wait();
    });
    let before = own_kibibytes();
    all_at_once(|| virtine_tests::meets(true));
    (own_kibibytes() - before) / (virtine_tests::MEETING - 1) as f64
}

fn use_up(cache: &Cache, virtines: usize) {
    let mut leases: Vec<Lease> = (0..virtines)
        .map(|_| cache.get().expect("a virtine"))
        .collect();
    for virtine in &mut leases {
        raw::run(virtine);
    }
}

/// Memory that is this process's alone: what is shared with nobody counts, and so do the kernel's own
/// pages of each vCPU that are mapped here.
fn own_kibibytes() -> f64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("own mappings");
    let lines = rollup.lines().filter(|line| line.starts_with("Private_"));
    lines
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
        .sum()
}
