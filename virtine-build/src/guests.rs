//! Builds the guests of a package: from its crates to the outcome for each virtine.

mod build;
mod choices;
mod prepare;
mod round;

pub(crate) use build::build;
