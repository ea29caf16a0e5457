//! Figure 14: a script in a JavaScript engine.

use javascript::{evaluate, lifetimes};
use wasp_core::Error;

use crate::bare::Bare;
use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::measure::{Subject, in_turns};
use crate::published::{self, beside};
use crate::samples::Samples;

const NATIVE: &str = "native: engine made, script, torn down";
const WHOLE: &str = "virtine";
const NO_TEARDOWN: &str = "virtine, no teardown";
const SNAPSHOT: &str = "virtine with snapshot";
const SNAPSHOT_NO_TEARDOWN: &str = "virtine with snapshot, no teardown";
const FLOOR: &str = "bare KVM_RUN";
const AT: f64 = 0.0;

/// A textbook Base64 implementation (RFC 4648, section 4), like the paper's script.
const SCRIPT: &str = include_str!("base64.js");
const INPUT: &str = r#""Hello There""#;
const ENCODED: &str = r#""SGVsbG8gVGhlcmU=""#;

type Isolated = fn(&str, &str) -> Result<Result<String, String>, Error>;

const VIRTINES: [(&str, Isolated); 4] = [
    (WHOLE, lifetimes::whole::try_call),
    (NO_TEARDOWN, lifetimes::without_teardown::try_call),
    (SNAPSHOT, lifetimes::with_teardown::try_call),
    (SNAPSHOT_NO_TEARDOWN, evaluate::try_call),
];

pub(super) fn measure(effort: &Effort) -> Result<Figure, String> {
    let (mut samples, mut machine) = (Samples::default(), Bare::open()?.machine());
    let mut subjects: Vec<Subject<'_>> = vec![Box::new(|samples| {
        let answer = samples.time(NATIVE, AT, || lifetimes::native(SCRIPT, INPUT));
        hold(NATIVE, answer)
    })];
    for (name, call) in VIRTINES {
        subjects.push(Box::new(move |samples| {
            let answer = samples.time(name, AT, || call(SCRIPT, INPUT));
            hold(name, answer.map_err(|error| format!("{name}: {error}"))?)
        }));
    }
    subjects.push(Box::new(move |samples| {
        samples.time(FLOOR, AT, || machine.call());
        Ok(())
    }));
    in_turns(effort, effort.rounds(20, 1000), &mut samples, &mut subjects)?;
    drop(subjects);
    let ratios = [
        (published::JS_WHOLE, WHOLE),
        (published::JS_NO_TEARDOWN, NO_TEARDOWN),
        (published::JS_SNAPSHOT, SNAPSHOT),
        (published::JS_SNAPSHOT_NO_TEARDOWN, SNAPSHOT_NO_TEARDOWN),
    ]
    .map(|(published, subject)| (published, samples.ratio(subject, NATIVE, AT)));
    Ok(Figure {
        title: "Figure 14: a script in a JavaScript engine",
        method: "The same script, base64 of \"Hello There\", runs in the same engine (boa, where the paper had Duktape) in all rows, \
                 and every answer is checked; an engine is made, used and torn down natively and in the first virtine, left \
                 as it is where there is no teardown, and found ready in the snapshot. All virtines start behind the start of \
                 libc, the paper's without snapshot before it."
            .to_owned(),
        plots: vec![Plot {
            title: "A script in a JavaScript engine".to_owned(),
            kind: Kind::Bars,
            axis: "time",
            series: samples.all().to_vec(),
        }],
        tables: vec![
            Table::of_samples("One script", &samples, FLOOR),
            beside(&ratios),
        ],
        samples,
    })
}

fn hold(subject: &str, answer: Result<String, String>) -> Result<(), String> {
    match answer.as_deref() == Ok(ENCODED) {
        true => Ok(()),
        false => Err(format!("{subject}: expected {ENCODED}, found {answer:?}")),
    }
}
