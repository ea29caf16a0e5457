//! Prints what one virtine answers.

use std::collections::HashMap;

use wasp_core::virtine;

mod arithmetic;
mod label;

#[virtine]
fn answer(x: u32) -> u32 {
    arithmetic::twice(x) + 1
}

/// Takes a type of std's, in a package that has no serde of its own.
#[wasp_core::virtine]
fn total(counts: &HashMap<String, u32>) -> u32 {
    counts.values().sum()
}

fn main() {
    let counts = answer::try_call(20).map(|answer| HashMap::from([("answer".to_owned(), answer)]));
    match counts.and_then(|counts| total::try_call(&counts)) {
        Ok(answer) => println!("{}: {answer}", label::text()),
        Err(error) => println!("{}: {error}", label::text()),
    }
}
