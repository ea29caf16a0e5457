//! What an idle virtine holds of the user's memory.

use std::fs;

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
    report.add(Row {
        name: "memory of an idle virtine",
        unit: "KiB, against 128",
        floor: 128.0,
        median: each,
        p99: each,
        aim: Some(1.0),
    });
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
