//! The same scripts, with more or less of the engine's life inside the call, as compared in the paper's Figure 14.

use std::mem;

use boa_engine::Context;
use wasp_core::virtine;

use crate::{ENGINE, run, set_up};

/// On the host, without isolation: creates an engine, runs the script, and tears the engine down.
///
/// # Errors
///
/// The value that the script throws.
pub fn native(script: &str, input: &str) -> Result<String, String> {
    live(Context::default(), tear_down, script, input)
}

/// The same in a virtine.
#[virtine(std, memory = "64MiB", stack = "8MiB", timeout = "2s", allow(clock))]
pub fn whole(script: &str, input: &str) -> Result<String, String> {
    native(script, input)
}

/// Leaves the engine as it is: the virtine's memory is dropped anyway.
#[virtine(std, memory = "64MiB", stack = "8MiB", timeout = "2s", allow(clock))]
pub fn without_teardown(script: &str, input: &str) -> Result<String, String> {
    live(Context::default(), mem::forget, script, input)
}

/// Uses the engine in the snapshot, as [`evaluate`](crate::evaluate()) does, but also tears it down.
#[virtine(
    std,
    init = set_up,
    memory = "64MiB",
    stack = "8MiB",
    timeout = "2s",
    allow(clock)
)]
pub fn with_teardown(script: &str, input: &str) -> Result<String, String> {
    let engine = ENGINE.take().ok_or("no engine")?;
    live(engine, tear_down, script, input)
}

/// From the use of an existing engine to its end.
fn live(
    mut engine: Context,
    end: fn(Context),
    script: &str,
    input: &str,
) -> Result<String, String> {
    let result = run(&mut engine, script, input);
    end(engine);
    result
}

/// Once the engine is gone, its objects are garbage, which is collected here and not some time later.
fn tear_down(engine: Context) {
    drop(engine);
    boa_engine::gc::force_collect();
}
