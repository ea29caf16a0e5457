//! `let` chains are 2024's.

use wasp_core::virtine;

#[virtine]
fn answer(x: Option<u32>) -> u32 {
    if let Some(x) = x
        && let Some(sum) = x.checked_add(24)
    {
        return sum;
    }
    0
}

fn main() {
    println!("2024: {}", answer(Some(2000)));
}
