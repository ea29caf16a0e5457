//! Table 1: the steps of booting from real mode to long mode, and the cost of a direct entry instead.

use wasp_core::{Cache, Exit, Mode};

use crate::bare::Bare;
use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::guests::{BOOT, CALLER, STAMP_COUNT, STAMPS, START};
use crate::measure::{Subject, in_turns};
use crate::published::BOOT as PUBLISHED;
use crate::samples::{Samples, Series};
use crate::units::{Unit, number};

const FLOOR: &str = "bare KVM_RUN, ring 3";
const BOOTED: &str = "booted from real to long mode, get to exit";
const DIRECT_0: &str = "entered directly in long mode, ring 0, get to exit";
const DIRECT_3: &str = "entered directly in long mode, ring 3, get to exit";
/// Virtines that are kept ready.
const READY: usize = 4;
const AT: f64 = 0.0;

pub(super) fn measure(effort: &Effort) -> Result<Figure, String> {
    let mut samples = Samples::default();
    let mut machine = Bare::open()?.machine();
    let boot = cache(Mode::Real16, BOOT())?;
    let [booted, direct_0] = [BOOTED, DIRECT_0].map(|name| effort.ring0().row(name));
    let mut subjects: Vec<Subject<'_>> = vec![
        Box::new(|samples| boots(samples, &boot, &booted)),
        direct(direct_0.clone(), Mode::Long64)?,
        direct(DIRECT_3.to_owned(), Mode::User64)?,
        Box::new(move |samples| {
            samples.time(FLOOR, AT, || machine.call());
            Ok(())
        }),
    ];
    in_turns(effort, effort.rounds(50, 1000), &mut samples, &mut subjects)?;
    drop(subjects);
    let whole: Vec<Series> = samples
        .all()
        .iter()
        .filter(|series| series.unit == Unit::Nanoseconds)
        .cloned()
        .collect();
    Ok(Figure {
        title: "Table 1: booting, step by step",
        method: "A guest starts in real mode, stamps the time stamp counter between the steps to long mode, and builds its page \
                 tables in a loop, as the paper's does; the exit is checked, and a machine that did not get there is an error. \
                 The host's clock measures the whole beside machines that are entered where the others arrive."
            .to_owned(),
        plots: vec![Plot {
            title: "From a clean machine to the first exit in long mode".to_owned(),
            kind: Kind::Bars,
            axis: "time",
            series: whole,
        }],
        tables: vec![
            steps(&samples, effort.ring0().row("here")),
            Table::of_samples("All", &samples, FLOOR),
        ],
        samples,
    })
}

fn cache(mode: Mode, image: &[u8]) -> Result<Cache, String> {
    let builder = Cache::builder(1 << 20).mode(mode).binary(image, START);
    let cache = builder.build().map_err(|error| error.to_string())?;
    cache.ensure(READY).map_err(|error| error.to_string())?;
    Ok(cache)
}

/// Waits until the next one is clean and the cleaner is done.
fn wait(cache: &Cache) {
    while cache.size() < READY {
        std::thread::yield_now();
    }
}

fn boots(samples: &mut Samples, cache: &Cache, name: &str) -> Result<(), String> {
    wait(cache);
    let run = samples.time(name, AT, || {
        let mut virtine = cache.get()?;
        virtine.run().map(|exit| (virtine, exit))
    });
    let (virtine, exit) = run.map_err(|error| error.to_string())?;
    if exit != Exit::Exited {
        return Err(format!("expected the guest to boot, found {exit:?}"));
    }
    let mut bytes = [[0; 8]; STAMP_COUNT];
    virtine
        .read(STAMPS, bytes.as_flattened_mut())
        .map_err(|error| error.to_string())?;
    let stamps = bytes.map(u64::from_le_bytes);
    for (pair, (step, ..)) in stamps.windows(2).zip(PUBLISHED) {
        let cycles = pair[1]
            .checked_sub(pair[0])
            .ok_or("time stamps that do not rise")?;
        samples.add(step, AT, Unit::Cycles, cycles as f64);
    }
    Ok(())
}

fn direct<'a>(name: String, mode: Mode) -> Result<Subject<'a>, String> {
    let cache = cache(mode, CALLER())?;
    Ok(Box::new(move |samples| {
        wait(&cache);
        let run = samples.time(&name, AT, || {
            let mut virtine = cache.get()?;
            virtine.run().map(|exit| (virtine, exit))
        });
        match run.map_err(|error| error.to_string())?.1 {
            Exit::Hypercall { port: 0xff, .. } => Ok(()),
            other => Err(format!("expected a hypercall, found {other:?}")),
        }
    }))
}

fn steps(samples: &Samples, here: String) -> Table {
    let header = ["cycles", "paper", "same machine again", &here];
    let mut table = Table::new("Steps, in cycles of the time stamp counter.", &header);
    let mut sums = [0.0; 3];
    for (step, paper, again) in PUBLISHED {
        let values = [paper, again, samples.median(step, AT)];
        sums.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += value);
        table.row([step.to_owned()].into_iter().chain(values.map(number)));
    }
    table.row(["all".to_owned()].into_iter().chain(sums.map(number)));
    table
}
