//! What it takes the caller to give back a virtine that has written 4 MiB, against a copy of as much, which
//! is the least that cleaning it by himself would take.

use std::hint::black_box;
use std::time::Instant;

use crate::compare::percentile;
use crate::raw;
use crate::report::{Report, Row};

const ROUNDS: usize = 300;
const WRITTEN: usize = 4 << 20;

pub(crate) fn measure(report: &mut Report) {
    let cache = raw::writers();
    let (bytes, mut copy) = (vec![1_u8; WRITTEN], vec![0_u8; WRITTEN]);
    let [mut copied, mut given] = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(&mut copy).copy_from_slice(black_box(&bytes));
        copied.push(start.elapsed().as_nanos() as u64);
        let mut virtine = cache.get().expect("a virtine");
        raw::run(&mut virtine);
        let start = Instant::now();
        cache.put(virtine);
        given.push(start.elapsed().as_nanos() as u64);
    }
    report.add(Row {
        name: "giving back 1,024 dirty pages",
        unit: "us, against memcpy",
        floor: percentile(&copied, 50),
        median: percentile(&given, 50),
        p90: None,
        p99: percentile(&given, 99),
        aim: None,
    });
    report.keep("cleaning", "memcpy of 4 MiB", &copied);
    report.keep("cleaning", "giving back", &given);
}
