//! Prints what one virtine answers.

use wasp_core::virtine;

mod arithmetic;
mod label;

#[virtine]
fn answer(x: u32) -> u32 {
    arithmetic::twice(x) + 1
}

fn main() {
    match answer::try_call(20) {
        Ok(answer) => println!("{}: {answer}", label::text()),
        Err(error) => println!("{}: {error}", label::text()),
    }
}
