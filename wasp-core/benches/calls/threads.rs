//! Two threads against one: calls per second of the same function.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::report::{Report, Row};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(200);

/// In turns, so that both meet the same machine; `call` is made anew for each thread.
pub(crate) fn measure<F: FnMut()>(
    report: &mut Report,
    name: &'static str,
    aim: Option<f64>,
    call: impl Fn() -> F + Sync,
) {
    let mut rates: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (threads, rates) in (1..).zip(&mut rates) {
            rates.push(rate(threads, &call));
        }
    }
    let [one, two] = rates.map(|mut rates| {
        rates.sort_unstable_by(f64::total_cmp);
        rates[ROUNDS / 2]
    });
    report.add(Row {
        name,
        unit: "s for 10^6 calls: 1.9 threads' share of one, against two",
        floor: 1e6 / one / 1.9,
        median: 1e6 / two,
        p90: None,
        p99: 1e6 / two,
        aim,
    });
}

/// Calls per second of all threads together.
fn rate<F: FnMut()>(threads: usize, call: &(impl Fn() -> F + Sync)) -> f64 {
    let barrier = Barrier::new(threads);
    let calls: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut call = call();
                    call();
                    barrier.wait();
                    let (start, mut calls) = (Instant::now(), 0);
                    while start.elapsed() < ROUND {
                        call();
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.map(|calls| calls.expect("no panic")).sum()
    });
    calls as f64 / ROUND.as_secs_f64()
}
