//! What a call costs by the pages that it writes, in its steady state: a machine that has the pages already.
//!
//! The bound is that of docs/performance.md: an empty call, 0.15 us a page, and twice a copy of as many bytes.

use std::hint::black_box;

use crate::compare::{Rounds, Subject, compare};
use crate::report::Report;

const PAGES: [(&str, usize); 10] = [
    ("64 pages", 64),
    ("128 pages", 128),
    ("256 pages", 256),
    ("512 pages", 512),
    ("1024 pages", 1024),
    ("1500 pages", 1500),
    ("2048 pages", 2048),
    ("4096 pages", 4096),
    ("8192 pages", 8192),
    ("32768 pages", 32768),
];

pub(crate) fn measure(report: &mut Report) {
    for (name, pages) in PAGES {
        let timed = (400_000 / pages).clamp(20, 1000);
        let rounds = Rounds { warm_up: 20, timed };
        let (source, mut target) = (vec![1_u8; pages << 12], vec![0_u8; pages << 12]);
        // Whatever other sizes have left is not this one's.
        let trio = [
            Subject::new("empty call", virtine_tests::empty),
            Subject::new("memcpy of as many bytes", || {
                black_box(&mut target).copy_from_slice(black_box(&source));
            }),
            Subject::new(name, || assert_eq!(virtine_tests::touch(pages), pages)),
        ];
        compare(report, rounds, trio, Some(1.0), |others| {
            others[0] + 0.15 * pages as f64 + 2.0 * others[1]
        });
    }
}
