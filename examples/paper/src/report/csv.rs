//! Raw samples, one per line.

use std::fmt::Write as _;

use crate::figure::Figure;

pub(super) fn rows(figure: &Figure) -> String {
    let mut text = String::from("subject,at,unit,round,value\n");
    for series in figure.samples.all() {
        let subject = series.subject.replace('"', "\"\"");
        for (round, value) in series.samples.iter().enumerate() {
            let (at, unit) = (series.at, series.unit.name());
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\"{subject}\",{at},{unit},{round},{value}");
        }
    }
    text
}
