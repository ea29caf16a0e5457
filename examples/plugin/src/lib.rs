//! User scripts in a virtine. A script is a formula in postfix notation over the fields of a record, like `price
//! quantity * 0.9 *`. It can access the host only through two host functions.

pub mod host;
mod script;

use wasp_core::virtine;

pub use script::ScriptError;

use host::{log, lookup};

/// Runs a user's script. It may call only `lookup` and `log` on the host, both typed and checked. It has one second,
/// and at most 1,000 calls of them.
///
/// # Errors
///
/// The defect of the script.
#[virtine(
    timeout = "1s",
    memory = "1MiB",
    stack = "64KiB",
    host(lookup, log),
    limits(hypercalls = 1_000)
)]
pub fn run(script: &str) -> Result<f64, ScriptError> {
    script::run(script, lookup, log)
}
