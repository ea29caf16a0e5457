//! Untrusted scripts, each in its own virtual machine: JSON in, JSON out, and nothing else.

use std::cell::RefCell;

use boa_engine::property::Attribute;
use boa_engine::{Context, JsError, JsValue, Source, js_string};
use wasp_core::virtine;

pub mod lifetimes;

std::thread_local! {
    /// Created before the snapshot: every script starts with a newly initialized engine.
    static ENGINE: RefCell<Option<Context>> = const { RefCell::new(None) };
}

fn set_up() {
    ENGINE.with(|engine| *engine.borrow_mut() = Some(Context::default()));
}

/// Runs a script and returns its last value as JSON. `input` is JSON, which the script finds in the variable of that
/// name. If the script throws, the thrown value is the error.
#[virtine(
    std,
    init = set_up,
    memory = "64MiB",
    stack = "8MiB",
    timeout = "2s",
    allow(clock)
)]
pub fn evaluate(script: &str, input: &str) -> Result<String, String> {
    ENGINE.with(|engine| {
        let mut engine = engine.borrow_mut();
        run(engine.as_mut().ok_or("no engine")?, script, input)
    })
}

fn run(engine: &mut Context, script: &str, input: &str) -> Result<String, String> {
    let told = |error: JsError| error.to_string();
    let input = serde_json::from_str(input).map_err(|error| error.to_string())?;
    let input = JsValue::from_json(&input, engine).map_err(told)?;
    engine
        .register_global_property(js_string!("input"), input, Attribute::all())
        .map_err(told)?;
    let value = engine.eval(Source::from_bytes(script)).map_err(told)?;
    let value = value.to_json(engine).map_err(told)?;
    Ok(value.map_or_else(|| "null".to_owned(), |value| value.to_string()))
}
