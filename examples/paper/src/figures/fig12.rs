//! Figure 12: virtines by the size of their image.

use std::hint::black_box;

use wasp_core::{Cache, Exit, Virtine};

use crate::bare::Bare;
use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::guests::{CALLER, START};
use crate::measure::{Subject, in_turns};
use crate::published::{self, beside};
use crate::samples::Samples;
use crate::units::{bytes, number};

const COPIED: &str = "from nothing, image copied";
const SHARED: &str = "from nothing, image laid out before";
const POOLED: &str = "from a pool: get, run, put";
const COPY: &str = "memcpy of the image";
const FLOOR: &str = "bare KVM from nothing";
const SIZES: [usize; 6] = [16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];
const MEMORY: u64 = 32 << 20;

pub(super) fn measure(effort: &Effort) -> Result<Figure, String> {
    let (mut samples, bare) = (Samples::default(), Bare::open()?);
    for size in SIZES {
        let mut image = CALLER().to_vec();
        image.resize(size, 0x90);
        let (pooled, anew) = (cache(&image)?, cache(&image)?);
        let (at, mut copy) = (size as f64, vec![0; size]);
        let mut subjects: Vec<Subject<'_>> = vec![
            Box::new(|samples| {
                samples.time(COPY, at, || {
                    black_box(&mut copy).copy_from_slice(black_box(&image))
                });
                Ok(())
            }),
            Box::new(|samples| {
                // Its end is not timed.
                drop(samples.time(FLOOR, at, || {
                    let mut machine = bare.machine();
                    machine.call();
                    machine
                }));
                Ok(())
            }),
            Box::new(|samples| {
                drop(samples.time(COPIED, at, || from_nothing(&image))?);
                Ok(())
            }),
            Box::new(|samples| {
                anew.trim(0);
                drop(samples.time(SHARED, at, || taken(&anew))?);
                Ok(())
            }),
            Box::new(|samples| {
                samples.time(POOLED, at, || {
                    taken(&pooled).map(|virtine| pooled.put(virtine))
                })
            }),
        ];
        in_turns(effort, effort.rounds(20, 300), &mut samples, &mut subjects)?;
    }
    let largest = SIZES[SIZES.len() - 1] as f64;
    let growth =
        |subject| samples.median(subject, largest) / samples.median(subject, SIZES[0] as f64);
    let ratios = [(published::IMAGE_16M_TO_4K, growth(COPIED))];
    Ok(Figure {
        title: "Figure 12: start by size of the image",
        method: "A virtine of 32 MiB of memory starts with an image of each size and runs to its first exit: made from nothing \
                 with the image copied in, as the paper's, made from nothing over an image that is laid out once and shared, \
                 and taken from a pool and given back clean. The ends of machines made from nothing are not timed; our \
                 smallest image is 16 KiB, the paper's 4 KiB."
            .to_owned(),
        plots: vec![Plot {
            title: "Start by size of the image".to_owned(),
            kind: Kind::Lines { over: "image, bytes", logarithmic: true },
            axis: "time",
            series: samples.all().to_vec(),
        }],
        tables: vec![table(&samples), beside(&ratios)],
        samples,
    })
}

fn cache(image: &[u8]) -> Result<Cache, String> {
    let builder = Cache::builder(MEMORY).binary(image, START);
    builder.build().map_err(|error| error.to_string())
}

fn from_nothing(image: &[u8]) -> Result<Virtine, String> {
    let made = Virtine::builder().memory(MEMORY).build();
    let mut virtine = made.map_err(|error| error.to_string())?;
    virtine
        .load_raw(image, START)
        .map_err(|error| error.to_string())?;
    run(&mut virtine)?;
    Ok(virtine)
}

fn taken(cache: &Cache) -> Result<wasp_core::Lease, String> {
    let mut virtine = cache.get().map_err(|error| error.to_string())?;
    run(&mut virtine)?;
    Ok(virtine)
}

fn run(virtine: &mut Virtine) -> Result<(), String> {
    match virtine.run().map_err(|error| error.to_string())? {
        Exit::Hypercall { port: 0xff, .. } => Ok(()),
        other => Err(format!("expected a hypercall, found {other:?}")),
    }
}

fn table(samples: &Samples) -> Table {
    let subjects = [FLOOR, COPY, COPIED, SHARED, POOLED];
    let header: Vec<&str> = ["image"].into_iter().chain(subjects).collect();
    let mut table = Table::new("Medians in us (5th to 95th percentile).", &header);
    for size in SIZES {
        let cells = subjects.map(|subject| {
            samples
                .spread(subject, size as f64)
                .map_or_else(String::new, |spread| {
                    let [low, median, high] = [spread.low, spread.median, spread.high]
                        .map(|value| number(value / 1000.0));
                    format!("{median} ({low} to {high})")
                })
        });
        table.row([bytes(size)].into_iter().chain(cells));
    }
    table
}
