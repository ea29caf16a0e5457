//! Scripts of users, run in a virtine. A script is a formula in postfix notation over the fields of a record,
//! `price quantity * 0.9 *`; what it may know of the world are two functions of the host's.

pub mod host;
mod script;

use wasp_core::virtine;

pub use script::ScriptError;

use host::{log, lookup};

/// Runs a user's script. It may call `lookup` and `log` on the host, both typed and checked, and nothing else;
/// it has one second, and at most 1,000 calls of them.
///
/// # Errors
///
/// What is wrong with the script.
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
