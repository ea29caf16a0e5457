//! Prints what one virtine answers.

use wasp_core::virtine;

/// Grows large where it is compiled for one processor with all its extensions.
fn sum(numbers: &[f32]) -> f32 {
    numbers.iter().map(|number| number * 2.0 + 1.0).sum()
}

#[virtine]
fn answer(numbers: Vec<f32>) -> f32 {
    sum(&numbers)
}

fn main() {
    let numbers = (0..64_u8).map(f32::from).collect();
    println!("answer: {}", answer(numbers));
}
