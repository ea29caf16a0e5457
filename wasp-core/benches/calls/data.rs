//! Calls with much data, beside what must be done for it: the floor, the work itself, a copy into memory that has just
//! been allocated for what comes back, or into the guest's for what goes in, and what the guest has dirtied put back.

use std::hint::black_box;

use virtine_tests::data;

use crate::compare::{Rounds, Subject, compare};
use crate::floor::Floor;
use crate::report::Report;

const MEBIBYTE: usize = 1 << 20;

/// What a call of some size is compared with. On the host, the elements of structs and tuples are each made by their
/// type's own code, so that they may take as long as if they went field by field.
struct Must<'a> {
    name: &'static str,
    /// Bytes that are copied in, and that the guest dirties besides.
    bytes: [usize; 2],
    /// How much more than all of it a call may take.
    aim: f64,
    native: Box<dyn FnMut() + 'a>,
    /// What is copied to the host.
    back: Box<dyn FnMut() + 'a>,
    call: Box<dyn FnMut() + 'a>,
}

pub(crate) fn measure(report: &mut Report, floor: &dyn Fn() -> Floor) {
    for (size, names) in [(1, NAMES[0]), (64, NAMES[1])] {
        let rounds = Rounds {
            warm_up: 8,
            timed: if size == 1 { 200 } else { 12 },
        };
        arguments(report, floor, rounds, size * MEBIBYTE, names);
        results(report, floor, rounds, size * MEBIBYTE, names);
        structs(report, floor, rounds, size * MEBIBYTE, names);
    }
    trees(report, floor);
}

/// Of 1 MiB and of 64 MiB.
const NAMES: [[&str; 9]; 2] = [
    [
        "&[f64] 1 MiB",
        "&mut [f32] 1 MiB",
        "&[Point] 1 MiB",
        "-> Vec<u8> 1 MiB",
        "-> Vec<f64> 1 MiB",
        "-> 1000 rows 1 MiB",
        "-> three columns 1 MiB",
        "-> Vec<Point> 1 MiB",
        "-> Vec<(u32, f32)> 1 MiB",
    ],
    [
        "&[f64] 64 MiB",
        "&mut [f32] 64 MiB",
        "&[Point] 64 MiB",
        "-> Vec<u8> 64 MiB",
        "-> Vec<f64> 64 MiB",
        "-> 1000 rows 64 MiB",
        "-> three columns 64 MiB",
        "-> Vec<Point> 64 MiB",
        "-> Vec<(u32, f32)> 64 MiB",
    ],
];

fn compared(report: &mut Report, floor: &dyn Fn() -> Floor, rounds: Rounds, must: Must<'_>) {
    let Must {
        name,
        bytes: [copied, dirtied],
        aim,
        native,
        back,
        call,
    } = must;
    let mut floor = floor();
    let (source, mut target) = (vec![1_u8; copied], vec![0_u8; copied]);
    let mut memory = vec![1_u8; copied + dirtied];
    let subjects = [
        Subject::new("floor", || floor.call()),
        Subject::new("native", native),
        Subject::new("copy in", || {
            black_box(&mut target).copy_from_slice(black_box(&source));
        }),
        Subject::new("copy back", back),
        Subject::new("restore", || black_box(&mut memory).fill(0)),
        Subject::new(name, call),
    ];
    compare(report, rounds, subjects, Some(aim), |others| {
        others.iter().sum()
    });
}

fn arguments(
    report: &mut Report,
    floor: &dyn Fn() -> Floor,
    rounds: Rounds,
    size: usize,
    names: [&'static str; 9],
) {
    let values: Vec<f64> = (0..size / 8).map(|value| (value % 16) as f64).collect();
    let sum = data::sum_natively(&values);
    let must = Must {
        name: names[0],
        bytes: [size, 0],
        aim: 1.5,
        native: Box::new(|| assert_eq!(data::sum_natively(black_box(&values)), sum)),
        back: Box::new(|| {}),
        call: Box::new(|| assert_eq!(data::sum(&values), sum)),
    };
    compared(report, floor, rounds, must);

    let [mut here, mut there] = [vec![0_f32; size / 4], vec![0_f32; size / 4]];
    let (source, mut target) = (vec![0_f32; size / 4], vec![0_f32; size / 4]);
    let must = Must {
        name: names[1],
        bytes: [size, 0],
        aim: 1.5,
        native: Box::new(|| data::double_natively(black_box(&mut here))),
        back: Box::new(|| black_box(&mut target).copy_from_slice(black_box(&source))),
        call: Box::new(|| {
            there[size / 8] = 1.0;
            data::double(&mut there);
            assert_eq!(there[size / 8], 2.0);
        }),
    };
    compared(report, floor, rounds, must);

    let points = data::points_natively(size / 24);
    let reach = data::reach_natively(&points);
    let must = Must {
        name: names[2],
        bytes: [size, 0],
        aim: 1.5,
        native: Box::new(|| assert_eq!(data::reach_natively(black_box(&points)), reach)),
        back: Box::new(|| {}),
        call: Box::new(|| assert_eq!(data::reach(&points), reach)),
    };
    compared(report, floor, rounds, must);
}

/// A result of `size` bytes: made natively, copied, and made in a virtine.
fn result<T: Clone + PartialEq + std::fmt::Debug>(
    report: &mut Report,
    floor: &dyn Fn() -> Floor,
    rounds: Rounds,
    (name, size, aim): (&'static str, usize, f64),
    native: impl Fn() -> T,
    call: impl Fn() -> T,
) {
    let expected = native();
    assert_eq!(call(), expected);
    let must = Must {
        name,
        bytes: [0, size],
        aim,
        native: Box::new(|| drop(black_box(native()))),
        back: Box::new(|| drop(black_box(expected.clone()))),
        call: Box::new(|| drop(black_box(call()))),
    };
    compared(report, floor, rounds, must);
}

fn results(
    report: &mut Report,
    floor: &dyn Fn() -> Floor,
    rounds: Rounds,
    size: usize,
    names: [&'static str; 9],
) {
    let of = |at: usize| (names[at], size, 1.5);
    let bytes = [data::bytes_natively, data::bytes];
    result(
        report,
        floor,
        rounds,
        of(3),
        || bytes[0](size),
        || bytes[1](size),
    );
    let floats = [data::floats_natively, data::floats];
    result(
        report,
        floor,
        rounds,
        of(4),
        || floats[0](size / 8),
        || floats[1](size / 8),
    );
    let rows = [data::rows_natively, data::rows];
    result(
        report,
        floor,
        rounds,
        of(5),
        || rows[0](size / 1000),
        || rows[1](size / 1000),
    );
    let columns = [data::columns_natively, data::columns];
    result(
        report,
        floor,
        rounds,
        of(6),
        || columns[0](size / 17),
        || columns[1](size / 17),
    );
}

fn structs(
    report: &mut Report,
    floor: &dyn Fn() -> Floor,
    rounds: Rounds,
    size: usize,
    names: [&'static str; 9],
) {
    let points = [data::points_natively, data::points];
    let of = (names[7], size, 4.0);
    result(
        report,
        floor,
        rounds,
        of,
        || points[0](size / 24),
        || points[1](size / 24),
    );
    let pairs = [data::pairs_natively, data::pairs];
    let of = (names[8], size, 4.0);
    result(
        report,
        floor,
        rounds,
        of,
        || pairs[0](size / 8),
        || pairs[1](size / 8),
    );
}

/// 20,008 small structs with texts, beside their native clone and drop.
fn trees(report: &mut Report, floor: &dyn Fn() -> Floor) {
    let rounds = Rounds {
        warm_up: 10,
        timed: 100,
    };
    let tree = data::tree_natively();
    let nodes = data::count_natively(&tree);
    assert_eq!(
        (data::tree(), data::count(tree.clone())),
        (tree.clone(), nodes)
    );
    let mut bare = floor();
    let trio = [
        Subject::new("floor", || bare.call()),
        Subject::new("clone and drop", || drop(black_box(tree.clone()))),
        Subject::making("a tree in, by floor + 3 x clone and drop", || {
            assert_eq!(data::count(tree.clone()), nodes);
        }),
    ];
    compare(report, rounds, trio, Some(1.0), |others| {
        others[0] + 3.0 * others[1]
    });
    let mut bare = floor();
    let four = [
        Subject::new("floor", || bare.call()),
        Subject::new("native", || drop(black_box(data::tree_natively()))),
        Subject::new("clone and drop", || drop(black_box(tree.clone()))),
        Subject::new(
            "a tree back, by floor + native + 3 x clone and drop",
            || {
                drop(black_box(data::tree()));
            },
        ),
    ];
    compare(report, rounds, four, Some(1.0), |others| {
        others[0] + others[1] + 3.0 * others[2]
    });
}
