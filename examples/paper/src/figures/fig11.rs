//! Figure 11: calls of a function with increasing run time.

use wasp_core::{Cache, Exit};

use crate::bare::Bare;
use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::guests::{FIB_OF, NUMBER, START};
use crate::measure::{Subject, clock_cost, in_batches, in_turns};
use crate::published::{self, beside};
use crate::samples::Samples;
use crate::units::{Unit, number};

const NATIVE: &str = "native";
const FLOOR: &str = "bare KVM_RUN";
const IMAGE: &str = "virtine without snapshot";
const SNAPSHOT: &str = "virtine with snapshot, pooled";
const ANEW: &str = "raw virtine with snapshot, machine made anew";
const LAST: u64 = 30;

pub(super) fn measure(effort: &Effort) -> Result<Figure, String> {
    let (mut samples, clock) = (Samples::default(), clock_cost());
    let bare = Bare::open()?;
    let cache = Cache::builder(1 << 16)
        .binary(FIB_OF(), START)
        .build()
        .map_err(|error| error.to_string())?;
    samples.add(
        "reading the clock, subtracted",
        0.0,
        Unit::Nanoseconds,
        clock,
    );
    for n in 0..=LAST {
        let (expected, at) = (expected(n), n as f64);
        let mut machine = bare.machine();
        let mut subjects: Vec<Subject<'_>> = vec![
            Box::new(move |samples| {
                in_batches(samples, (NATIVE, at), clock, &expected, || {
                    fib::recursive(n)
                })
            }),
            function(IMAGE, fib::fib_from_image::try_call, n, clock),
            function(SNAPSHOT, fib::fib::try_call, n, clock),
            Box::new(|samples| anew(samples, &cache, n, clock)),
            Box::new(move |samples| {
                let (time, ()) = timed(|| machine.call());
                samples.add(FLOOR, at, Unit::Nanoseconds, time - clock);
                Ok(())
            }),
        ];
        super::peers::add_fib(&mut subjects, n, clock)?;
        in_turns(effort, effort.rounds(30, 300), &mut samples, &mut subjects)?;
    }
    Ok(figure(samples, clock))
}

fn expected(n: u64) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

fn timed<T>(call: impl FnOnce() -> T) -> (f64, T) {
    let start = std::time::Instant::now();
    let result = call();
    (start.elapsed().as_nanos() as f64, result)
}

fn function<'a>(
    name: &'static str,
    call: fn(u64) -> Result<u64, wasp_core::Error>,
    n: u64,
    clock: f64,
) -> Subject<'a> {
    Box::new(move |samples| {
        let (time, answer) = timed(|| call(n));
        samples.add(name, n as f64, Unit::Nanoseconds, time - clock);
        check(name, n, answer.map_err(|error| error.to_string())?)
    })
}

fn check(name: &str, n: u64, answer: u64) -> Result<(), String> {
    match answer == expected(n) {
        true => Ok(()),
        false => Err(format!(
            "{name}: expected fib({n}) = {}, found {answer}",
            expected(n)
        )),
    }
}

/// A new machine whose memory is the prepared image.
fn anew(samples: &mut Samples, cache: &Cache, n: u64, clock: f64) -> Result<(), String> {
    cache.trim(0);
    let (time, run) = timed(|| {
        let mut virtine = cache.get()?;
        virtine.write(NUMBER, &n.to_le_bytes())?;
        virtine.run().map(|exit| (virtine, exit))
    });
    let (mut virtine, exit) = run.map_err(|error| error.to_string())?;
    if exit != Exit::Exited {
        return Err(format!("{ANEW}: expected the exit, found {exit:?}"));
    }
    samples.add(ANEW, n as f64, Unit::Nanoseconds, time - clock);
    let registers = virtine.registers().map_err(|error| error.to_string())?;
    check(ANEW, n, registers.rax)
}

fn figure(samples: Samples, clock: f64) -> Figure {
    let ratio = |subject, to, n: u64| samples.ratio(subject, to, n as f64);
    let ratios = [
        (
            published::FIB_0_IMAGE_TO_SNAPSHOT,
            ratio(IMAGE, SNAPSHOT, 0),
        ),
        (published::FIB_0_TO_NATIVE, ratio(SNAPSHOT, NATIVE, 0)),
        (published::FIB_20_TO_NATIVE, ratio(SNAPSHOT, NATIVE, 20)),
        (published::FIB_25_TO_NATIVE, ratio(SNAPSHOT, NATIVE, 25)),
        (published::FIB_30_TO_NATIVE, ratio(SNAPSHOT, NATIVE, 30)),
    ];
    let series = samples.all().iter().skip(1).cloned().collect();
    Figure {
        title: "Figure 11: calls of fib(n)",
        method: format!(
            "Each call is timed alone and the clock's own cost ({} ns) is subtracted; the native call, which takes less than a \
             clock can tell, is timed in batches of at least 20 us and divided. A call in a virtine includes its arguments, \
             its result and its cleaning; the raw one is a hand-written fib, and the end of its machine is not timed.",
            number(clock)
        ),
        plots: vec![Plot {
            title: "fib(n): time of one call".to_owned(),
            kind: Kind::Lines {
                over: "n",
                logarithmic: false,
            },
            axis: "time",
            series,
        }],
        tables: vec![table(&samples), beside(&ratios)],
        samples,
    }
}

fn table(samples: &Samples) -> Table {
    let subjects = [FLOOR, NATIVE, SNAPSHOT, IMAGE, ANEW];
    let header: Vec<&str> = ["n"]
        .into_iter()
        .chain(subjects)
        .chain(["snapshot / native"])
        .collect();
    let mut table = Table::new("Medians in us (5th to 95th percentile).", &header);
    for n in (0..=LAST).step_by(5) {
        let at = n as f64;
        let cells = subjects.map(|subject| {
            samples
                .spread(subject, at)
                .map_or_else(String::new, |spread| {
                    let [low, median, high] = [spread.low, spread.median, spread.high]
                        .map(|value| number(value / 1000.0));
                    format!("{median} ({low} to {high})")
                })
        });
        let ratio = number(samples.ratio(SNAPSHOT, NATIVE, at));
        table.row([n.to_string()].into_iter().chain(cells).chain([ratio]));
    }
    table
}
