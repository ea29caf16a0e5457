//! Figure 3: the same work in each CPU mode.

use wasp_core::{Exit, Mode, Virtine};

use crate::bare::Bare;
use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::guests::{FIB_16, FIB_32, FIB_64, START};
use crate::host::Ring0;
use crate::measure::{Subject, in_turns};
use crate::published::{self, beside};
use crate::samples::Samples;

const FLOOR: &str = "bare KVM_RUN, ring 3";
const RING_3: &str = "long mode, ring 3";
const FIB_20: u64 = 6765;
const AT: f64 = 0.0;

pub(super) fn measure(effort: &Effort) -> Result<Figure, String> {
    let mut samples = Samples::default();
    let mut machine = Bare::open()?.machine();
    let name = |mode: &str| effort.ring0().row(mode);
    let (real, protected, long) = (
        name("real mode"),
        name("protected mode"),
        name("long mode, ring 0"),
    );
    let mut subjects: Vec<Subject<'_>> = vec![
        subject(real.clone(), Mode::Real16, FIB_16())?,
        subject(protected.clone(), Mode::Protected32, FIB_32())?,
        subject(long.clone(), Mode::Long64, FIB_64())?,
        subject(RING_3.to_owned(), Mode::User64, FIB_64())?,
        Box::new(move |samples| {
            samples.time(FLOOR, AT, || machine.call());
            Ok(())
        }),
    ];
    // Emulated, one run takes a quarter of a second.
    let rounds = match effort.ring0() {
        Ring0::Emulator => effort.rounds(5, 60),
        Ring0::Processor => effort.rounds(500, 10_000),
    };
    in_turns(effort, rounds, &mut samples, &mut subjects)?;
    drop(subjects);
    let ratios = [
        (published::REAL_TO_LONG, samples.ratio(&real, &long, AT)),
        (
            published::PROTECTED_TO_LONG,
            samples.ratio(&protected, &long, AT),
        ),
    ];
    Ok(Figure {
        title: "Figure 3: fib(20) in each mode",
        method: "One and the same hand-written recursion, in registers as wide as the mode's, is run by a machine that stays in \
                 its mode; timed is one run from entry to the exit with the result, which is checked. Ring 3 runs the \
                 same bytes as ring 0."
            .to_owned(),
        plots: vec![Plot {
            title: "fib(20) by mode".to_owned(),
            kind: Kind::Bars,
            axis: "time",
            series: samples.all().to_vec(),
        }],
        tables: vec![Table::of_samples("fib(20)", &samples, FLOOR), beside(&ratios)],
        samples,
    })
}

fn subject<'a>(name: String, mode: Mode, image: &[u8]) -> Result<Subject<'a>, String> {
    let made = Virtine::builder().mode(mode).build();
    let mut virtine = made.map_err(|error| error.to_string())?;
    virtine
        .load_raw(image, START)
        .map_err(|error| error.to_string())?;
    Ok(Box::new(move |samples| {
        let exit = samples.time(&name, AT, || virtine.run());
        let registers = virtine.registers().map_err(|error| error.to_string())?;
        match exit.map_err(|error| error.to_string())? {
            Exit::Hypercall { .. } if registers.rax & 0xffff == FIB_20 => Ok(()),
            other => Err(format!(
                "{name}: expected {FIB_20}, found {} at {other:?}",
                registers.rax
            )),
        }
    }))
}
