//! What the host does for scripts. It runs outside the virtine, so it may use what it likes, and trusts nothing
//! that it is handed.

use std::sync::Mutex;

/// What scripts have logged.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Lines that are kept: a script must not fill the host's memory.
const MOST_LINES: usize = 100;

/// The value of a field of the record at hand.
pub fn lookup(field: String) -> Option<f64> {
    match field.as_str() {
        "price" => Some(19.5),
        "quantity" => Some(4.0),
        "discount" => Some(0.1),
        _ => None,
    }
}

/// Writes a number into the log. False where that is full.
pub fn log(value: f64) -> bool {
    let mut log = LOG.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let room = log.len() < MOST_LINES;
    if room {
        log.push(format!("a script says {value}"));
    }
    room
}

/// The log so far, which is empty afterwards.
pub fn take_log() -> Vec<String> {
    let mut log = LOG.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    std::mem::take(&mut log)
}
