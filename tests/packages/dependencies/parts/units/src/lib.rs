//! A crate of the same workspace, which needs no std.
#![no_std]

/// Miles as kilometres.
pub fn kilometres(miles: f64) -> f64 {
    miles * 1.609344
}
