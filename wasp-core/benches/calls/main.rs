//! What a call costs, beside the floor.
//!
//!     cargo bench -p wasp-core
//!
//! What is compared runs in turns, one call each in an order that changes every round, so that what
//! the machine does meanwhile, and what the call before has left in the caches, meets all alike. Large
//! arguments are a group of their own, for they would leave the caches cold for the small ones. Every
//! result is checked. Printed are medians, 99th percentiles, and the ratio of each
//! median to the floor's; the raw samples go to target/benches/calls.csv.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use floor::Floor;

mod floor;

const WARM_UP: usize = 500;
const ROUNDS: usize = 10_000;
const MEBIBYTE: usize = 1 << 20;

/// One thing that is timed.
struct Subject<'a> {
    name: &'static str,
    call: Box<dyn FnMut() + 'a>,
    /// Nanoseconds.
    samples: Vec<u64>,
}

impl<'a> Subject<'a> {
    fn new(name: &'static str, call: impl FnMut() + 'a) -> Self {
        Self {
            name,
            call: Box::new(call),
            samples: Vec::with_capacity(ROUNDS),
        }
    }

    fn percentile(&self, percent: usize) -> u64 {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() - 1) * percent / 100]
    }
}

fn main() {
    let bytes: Vec<u8> = (0..MEBIBYTE).map(|n| n as u8).collect();
    let mut copy = vec![0_u8; MEBIBYTE];
    let mut floors = [Floor::new(), Floor::new()];
    let [small_floor, large_floor] = &mut floors;
    let mut small = [
        Subject::new("floor: one KVM_RUN", || small_floor.call()),
        Subject::new("empty call", virtine_tests::empty),
        Subject::new("add(u64, u64)", || assert_eq!(virtine_tests::add(1, 2), 3)),
        Subject::new("1 page written", || assert_eq!(virtine_tests::write_1(), 1)),
        Subject::new("4 pages written", || {
            assert_eq!(virtine_tests::write_4(), 4)
        }),
        Subject::new("16 pages written", || {
            assert_eq!(virtine_tests::write_16(), 16)
        }),
        Subject::new("64 pages written", || {
            assert_eq!(virtine_tests::write_64(), 64)
        }),
    ];
    let mut large = [
        Subject::new("floor: one KVM_RUN", || large_floor.call()),
        Subject::new("memcpy of 1 MiB", || {
            copy.copy_from_slice(std::hint::black_box(&bytes))
        }),
        Subject::new("1 MiB slice", || {
            assert_eq!(virtine_tests::measure(&bytes), MEBIBYTE as u64 + 255)
        }),
    ];
    for group in [&mut small[..], &mut large[..]] {
        run(group);
        print(group);
    }
    store(small.iter().chain(&large));
}

fn run(subjects: &mut [Subject<'_>]) {
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..WARM_UP + ROUNDS {
        for at in (1..order.len()).rev() {
            // Marsaglia's xorshift: the same orders in every run.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            order.swap(at, random as usize % (at + 1));
        }
        for &subject in &order {
            let subject = &mut subjects[subject];
            let start = Instant::now();
            (subject.call)();
            let elapsed = start.elapsed();
            if round >= WARM_UP {
                subject.samples.push(elapsed.as_nanos() as u64);
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what a benchmark is for")]
fn print(subjects: &[Subject<'_>]) {
    let floor = subjects[0].percentile(50) as f64;
    println!(
        "{:24} {:>10} {:>10} {:>8}",
        "", "median us", "p99 us", "ratio"
    );
    for subject in subjects {
        let [median, p99] = [50, 99].map(|percent| subject.percentile(percent) as f64 / 1000.0);
        println!(
            "{:24} {median:>10.2} {p99:>10.2} {:>8.3}",
            subject.name,
            median * 1000.0 / floor
        );
    }
}

fn store<'a>(subjects: impl Iterator<Item = &'a Subject<'a>>) {
    let mut csv = String::from("subject,round,nanoseconds\n");
    for subject in subjects {
        for (round, sample) in subject.samples.iter().enumerate() {
            writeln!(csv, "{},{round},{sample}", subject.name.replace(',', ""))
                .expect("a String takes all");
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/benches");
    fs::create_dir_all(&folder).expect("target can be written to");
    fs::write(folder.join("calls.csv"), csv).expect("target can be written to");
}
