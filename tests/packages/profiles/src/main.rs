//! Answers that depend on the profile.

use wasp_core::virtine;

#[virtine]
fn has_debug_assertions() -> bool {
    cfg!(debug_assertions)
}

#[virtine]
fn next(x: u8) -> u8 {
    x + 1
}

fn main() {
    println!("debug assertions: {}", has_debug_assertions());
    match next::try_call(u8::MAX) {
        Ok(next) => println!("next: {next}"),
        Err(error) => println!("next: {error}"),
    }
}
