//! Replaces `peers.rs` if the feature is off: there are no peers to compare with.

use crate::effort::Effort;
use crate::figure::Figure;
use crate::measure::Subject;

pub(super) fn add(_: &mut Vec<Subject<'_>>) -> Result<(), String> {
    Ok(())
}

pub(super) fn add_fib(_: &mut Vec<Subject<'_>>, _: u64, _: f64) -> Result<(), String> {
    Ok(())
}

pub(super) fn measure(_: &Effort) -> Result<Figure, String> {
    Err("peers are measured with `--features peers` only".to_owned())
}
