//! `gen` is a name, TryFrom is in the prelude, arrays iterate by value.

use wasp_core::virtine;

fn gen(numbers: [u64; 2]) -> u32 {
    numbers
        .into_iter()
        .map(|number| u32::try_from(number).unwrap_or(0))
        .sum()
}

#[virtine]
fn answer(x: u64) -> u32 {
    gen([x, 21])
}

fn main() {
    println!("2021: {}", answer(2000));
}
