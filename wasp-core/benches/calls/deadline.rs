//! How late a deadline ends a guest that spins.

use std::time::{Duration, Instant};

use wasp_core::{Exit, Virtine};

use crate::compare::percentile;
use crate::report::{Report, Row};

const LIMIT: Duration = Duration::from_millis(10);
const RUNS: usize = 300;

pub(crate) fn measure(report: &mut Report) {
    let mut virtine = Virtine::builder()
        .deadline(LIMIT)
        .build()
        .expect("a virtine");
    // eb fe    jmp to itself
    virtine.load_raw(&[0xeb, 0xfe], 0x8000).expect("it fits");
    let late: Vec<u64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(virtine.run().expect("a run"), Exit::TimedOut);
            let elapsed = start.elapsed();
            assert!(elapsed >= LIMIT, "{elapsed:?}");
            (elapsed - LIMIT).as_nanos() as u64
        })
        .collect();
    let p99 = percentile(&late, 99);
    report.add(Row {
        name: "a deadline's delay, 99th percentile",
        unit: "us, against 5 ms",
        floor: 5000.0,
        median: p99,
        p90: None,
        p99,
        aim: Some(1.0),
    });
    report.keep("deadline", "delay", &late);
}
