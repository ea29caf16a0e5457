//! A virtine that reaches what no virtine has.

use wasp_core::virtine;

// Has the name of what it misses, which must not make its error the cause of itself.
fn read_dir() -> usize {
    match std::fs::read_dir("/etc") {
        Ok(entries) => entries.count(),
        Err(_) => 0,
    }
}

#[virtine]
fn answer() -> usize {
    read_dir() * 0 + 7
}

#[virtine]
fn other() -> usize {
    read_dir() * 0 + 8
}

fn main() {
    println!("answers: {} {}", answer(), other());
}
