//! A virtine that reaches what no virtine has.

use wasp_core::virtine;

fn configured() -> usize {
    match std::fs::read_dir("/etc") {
        Ok(entries) => entries.count(),
        Err(_) => 0,
    }
}

#[virtine]
fn answer() -> usize {
    configured() * 0 + 7
}

#[virtine]
fn other() -> usize {
    configured() * 0 + 8
}

fn main() {
    println!("answers: {} {}", answer(), other());
}
