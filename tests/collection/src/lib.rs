//! Ordinary functions, one file for each style. Nothing here was written for virtual machines but the
//! attribute; `tests/answers.rs` compares what each answers with what it answers natively.

pub mod ciphers;
pub mod containers;
pub mod dynamic;
pub mod floats;
pub mod graphs;
pub mod hashing;
pub mod input_output;
pub mod kinds;
pub mod macros;
pub mod matrix;
pub mod memory;
pub mod modules;
pub mod numeric;
pub mod parsers;
pub mod searching;
pub mod simulation;
pub mod sorting;
pub mod strings;
pub mod traits;
