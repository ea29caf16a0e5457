//! Host functions for scripts. They run outside the virtine, so they may use anything, but must not trust their
//! arguments.

use std::sync::Mutex;

/// The log of scripts.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// The most lines that are kept: a script must not fill the host's memory.
const MOST_LINES: usize = 100;

/// The value of a field of the current record.
pub fn lookup(field: String) -> Option<f64> {
    match field.as_str() {
        "price" => Some(19.5),
        "quantity" => Some(4.0),
        "discount" => Some(0.1),
        _ => None,
    }
}

/// Writes a number to the log. Returns false if the log is full.
pub fn log(value: f64) -> bool {
    let mut log = LOG.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let room = log.len() < MOST_LINES;
    if room {
        log.push(format!("a script says {value}"));
    }
    room
}

/// Returns the log so far, and empties it.
pub fn take_log() -> Vec<String> {
    let mut log = LOG.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    std::mem::take(&mut log)
}
