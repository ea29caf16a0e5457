//! `gen` is a name in 2018 and 2021, and TryFrom is not in 2018's prelude.

use std::convert::TryFrom;

use wasp_core::virtine;

fn gen(x: u32) -> u32 {
    x + 18
}

#[virtine]
fn answer(x: u64) -> u32 {
    gen(u32::try_from(x).unwrap_or(0))
}

fn main() {
    println!("2018: {}", answer(2000));
}
