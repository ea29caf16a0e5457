//! Figures 2 and 8: the cost of getting a context to run something in, and of disposing of it.

use std::thread;
use std::time::Instant;

use wasp_core::{Cache, Exit, Lease, Mode, Virtine};

use crate::bare::Bare;
use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::guests::{CALLER, START};
use crate::measure::{Subject, in_groups};
use crate::process;
use crate::published::{self, beside};
use crate::samples::{Samples, Series};
use crate::units::Unit;

pub(super) const FLOOR: &str = "bare KVM_RUN";
const PROCESS: &str = "process: fork, exit, wait";
const THREAD: &str = "thread: create, join";
const NOTHING: &str = "virtine from nothing: create, run";
const NOTHING_END: &str = "its end";
const BARE_NOTHING: &str = "bare KVM from nothing: create, run";
const BARE_NOTHING_END: &str = "the bare machine's end";
const CACHED: &str = "cached: get, run, put";
const CACHED_PUT: &str = "the put in it, which cleans";
const FUNCTION: &str = "#[virtine] call of fib(0), with its cleaning";
const ASYNC: &str = "cached, asynchronous: get, run, put";
const ASYNC_REST: &str = "its cleaning, on another thread, until ready";
const ASYNC_ALL: &str = "the same where get waits for the cleaning";
/// What the asynchronous rows are compared with: also a machine in ring 0.
const RUN_0: &str = "one machine in ring 0: run, never cleaned";

/// Virtines that are kept, as in Wasp's host program.
const READY: usize = 12;
const MEMORY: u64 = 1 << 20;
const AT: f64 = 0.0;

/// Figure 2: contexts before virtines.
pub(super) fn creation(effort: &Effort) -> Result<Figure, String> {
    let mut samples = Samples::default();
    let (bare, mut machine) = floor()?;
    let groups = contexts(&bare);
    in_groups(
        effort,
        effort.rounds(100, 1000),
        &mut samples,
        (FLOOR, &mut || machine.call()),
        groups,
    )?;
    Ok(Figure {
        title: "Figure 2: creating a context",
        method: "Each context is made, runs next to nothing, and is waited for; a KVM machine with memory, registers and \
                 one exit by the bare system calls. Each takes turns with the floor."
            .to_owned(),
        plots: vec![bars("Creating a context", &samples)],
        tables: vec![Table::of_samples("Creation", &samples, FLOOR)],
        samples,
    })
}

/// Figure 8: the same with virtines.
pub(super) fn measure(effort: &Effort) -> Result<Figure, String> {
    let mut samples = Samples::default();
    let (bare, mut machine) = floor()?;
    let (cached, background) = (cache(Mode::User64, READY)?, cache(Mode::Long64, READY)?);
    let single = cache(Mode::Long64, 1)?;
    let mut still = ring0_machine()?;
    let [asynchronous, rest, all, run] =
        [ASYNC, ASYNC_REST, ASYNC_ALL, RUN_0].map(|name| effort.ring0().row(name));
    let mut groups: Vec<Vec<Subject<'_>>> = contexts(&bare);
    groups.push(vec![Box::new(from_nothing)]);
    groups.push(vec![Box::new(|samples| on_the_spot(samples, &cached))]);
    groups.push(vec![Box::new(|samples| {
        let answer = samples.time(FUNCTION, AT, || fib::fib::try_call(0));
        expect_zero(answer)
    })]);
    groups.push(vec![Box::new(|samples| {
        let exit = samples.time(&run, AT, || still.run());
        expect_hypercall(&exit.map_err(|error| error.to_string())?)
    })]);
    groups.push(vec![Box::new(|samples| {
        samples.time(&asynchronous, AT, || cycle(&background))?;
        samples.time(&rest, AT, || until_ready(&background, READY));
        Ok(())
    })]);
    groups.push(vec![Box::new(|samples| {
        // Leaves the only virtine to the cleaner.
        cycle(&single)?;
        let result = samples.time(&all, AT, || cycle(&single));
        until_ready(&single, 1);
        result
    })]);
    let mut peers = Vec::new();
    super::peers::add(&mut peers)?;
    groups.extend(peers.into_iter().map(|peer| vec![peer]));
    in_groups(
        effort,
        effort.rounds(200, 3000),
        &mut samples,
        (FLOOR, &mut || machine.call()),
        groups,
    )?;
    let ratios = [
        (
            published::ASYNC_TO_RUN,
            samples.ratio_across(&asynchronous, &run),
        ),
        (
            published::CACHED_TO_RUN,
            samples.ratio_across(CACHED, FLOOR),
        ),
        (
            published::ASYNC_TO_THREAD,
            samples.ratio_across(&asynchronous, THREAD),
        ),
        (
            published::CREATE_TO_ASYNC,
            samples.ratio_across(NOTHING, &asynchronous),
        ),
        (
            published::PROCESS_TO_ASYNC,
            samples.ratio_across(PROCESS, &asynchronous),
        ),
    ];
    Ok(Figure {
        title: "Figure 8: getting a context, with virtines",
        method: "Each context, in turns with a floor of its own, is made or taken, runs to its first exit, and is given back; what its end or its cleaning costs \
                 is a row of its own, wherever it happens. Asynchronous cleaning is that of guests in ring 0; guests in \
                 ring 3 are cleaned within `put`, which takes less than to wake a thread. Processes and threads pay for each machine that this process holds."
            .to_owned(),
        plots: vec![bars("Getting a context", &samples)],
        tables: vec![Table::of_samples("Contexts", &samples, FLOOR), beside(&ratios)],
        samples,
    })
}

fn floor() -> Result<(Bare, crate::bare::Floor), String> {
    let bare = Bare::open()?;
    let machine = bare.machine();
    Ok((bare, machine))
}

/// One bar for the floor, which has samples for each context.
fn bars(title: &str, samples: &Samples) -> Plot {
    let first = samples.place(FLOOR);
    let shown = |series: &&Series| series.subject != FLOOR || series.at == first;
    Plot {
        title: title.to_owned(),
        kind: Kind::Bars,
        axis: "time",
        series: samples.all().iter().filter(shown).cloned().collect(),
    }
}

/// A process, a thread, and a machine by bare system calls.
fn contexts(bare: &Bare) -> Vec<Vec<Subject<'_>>> {
    vec![
        vec![Box::new(|samples| {
            samples.time(PROCESS, AT, process::fork_and_wait)
        })],
        vec![Box::new(|samples| {
            let joined = samples.time(THREAD, AT, || thread::spawn(|| ()).join());
            joined.map_err(|_| "a thread panicked".to_owned())
        })],
        vec![Box::new(|samples| {
            let machine = samples.time(BARE_NOTHING, AT, || {
                let mut machine = bare.machine();
                machine.call();
                machine
            });
            samples.time(BARE_NOTHING_END, AT, || drop(machine));
            Ok(())
        })],
    ]
}

fn cache(mode: Mode, virtines: usize) -> Result<Cache, String> {
    let cache = Cache::builder(MEMORY)
        .mode(mode)
        .binary(CALLER(), START)
        .limit(virtines)
        .build()
        .map_err(|error| error.to_string())?;
    cache.ensure(virtines).map_err(|error| error.to_string())?;
    Ok(cache)
}

fn ring0_machine() -> Result<Virtine, String> {
    let made = Virtine::builder().memory(MEMORY).mode(Mode::Long64).build();
    let mut virtine = made.map_err(|error| error.to_string())?;
    virtine
        .load_raw(CALLER(), START)
        .map_err(|error| error.to_string())?;
    Ok(virtine)
}

fn from_nothing(samples: &mut Samples) -> Result<(), String> {
    let virtine = samples.time(NOTHING, AT, || {
        let mut virtine = Virtine::builder().memory(MEMORY).build()?;
        virtine.load_raw(CALLER(), START)?;
        virtine.run().map(|exit| (virtine, exit))
    });
    let (virtine, exit) = virtine.map_err(|error| error.to_string())?;
    samples.time(NOTHING_END, AT, || drop(virtine));
    expect_hypercall(&exit)
}

/// Ring 3: the time of `put` is the cleaning.
fn on_the_spot(samples: &mut Samples, cache: &Cache) -> Result<(), String> {
    let start = Instant::now();
    let mut virtine = cache.get().map_err(|error| error.to_string())?;
    let exit = virtine.run().map_err(|error| error.to_string())?;
    let ran = start.elapsed();
    cache.put(virtine);
    let all = start.elapsed();
    samples.add(CACHED, AT, Unit::Nanoseconds, all.as_nanos() as f64);
    samples.add(
        CACHED_PUT,
        AT,
        Unit::Nanoseconds,
        (all - ran).as_nanos() as f64,
    );
    expect_hypercall(&exit)
}

fn cycle(cache: &Cache) -> Result<(), String> {
    let mut virtine: Lease = cache.get().map_err(|error| error.to_string())?;
    let exit = virtine.run().map_err(|error| error.to_string())?;
    cache.put(virtine);
    expect_hypercall(&exit)
}

fn until_ready(cache: &Cache, virtines: usize) {
    while cache.size() < virtines {
        thread::yield_now();
    }
}

fn expect_hypercall(exit: &Exit) -> Result<(), String> {
    match exit {
        Exit::Hypercall { port: 0xff, .. } => Ok(()),
        other => Err(format!("expected a hypercall, found {other:?}")),
    }
}

fn expect_zero(answer: Result<u64, wasp_core::Error>) -> Result<(), String> {
    match answer {
        Ok(0) => Ok(()),
        Ok(other) => Err(format!("expected fib(0) to be 0, found {other}")),
        Err(error) => Err(error.to_string()),
    }
}
