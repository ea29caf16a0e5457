//! The cost of hypercalls.

use std::env;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read as _, Seek as _};

use crate::compare::{Subject, compare};
use crate::floor::Floor;
use crate::report::Report;
use crate::{MEBIBYTE, WARM};

/// Hypercalls of one call: enough that the call itself does not count.
const MANY: u64 = 100;

/// Hypercalls that the host does nothing for, against bare exits; a megabyte read from a file, against the
/// same without a virtine.
pub(crate) fn measure(report: &mut Report, floor: &dyn Fn() -> Floor) {
    let mut bare = floor();
    bare.call();
    let pair = [
        Subject::new("101 bare exits", || (0..=MANY).for_each(|_| bare.exit())),
        Subject::new("call with 100 hypercalls", || {
            assert_eq!(virtine_tests::ask(MANY), 0);
        }),
    ];
    compare(report, WARM, pair, Some(1.1), |others| others[0]);
    read(report);
}

fn read(report: &mut Report) {
    let path = env::temp_dir().join(format!("wasp-bench-{}", std::process::id()));
    fs::write(&path, vec![7; MEBIBYTE]).expect("written");
    let (mut native, mut lent) = (open(&path), open(&path));
    let mut buffer = vec![0; MEBIBYTE];
    let pair = [
        Subject::new("1 MiB of a file, read by the host", || {
            native.rewind().expect("rewound");
            native.read_exact(&mut buffer).expect("read");
            black_box(&buffer);
        }),
        Subject::new("the same in a virtine", || {
            lent.rewind().expect("rewound");
            let found = virtine_tests::take(&mut lent, MEBIBYTE).expect("read");
            assert_eq!(found, 7);
        }),
    ];
    compare(report, WARM, pair, None, |others| others[0]);
    fs::remove_file(path).expect("removed");
}

fn open(path: &std::path::Path) -> File {
    File::open(path).expect("opened")
}
