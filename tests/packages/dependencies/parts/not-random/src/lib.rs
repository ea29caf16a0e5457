//! In place of the crate of this name, by `[patch]`.
#![no_std]

/// Chosen by a fair throw of a die.
pub fn guaranteed() -> u32 {
    4
}
