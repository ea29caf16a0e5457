//! The same virtines in processes, so that a benchmark has both beside each other.

use wasp_core::virtine;

use crate::write_pages;

/// Does nothing.
#[virtine(backend = "process")]
pub fn empty() {}

/// The same, with the real std.
#[virtine(std, backend = "process")]
pub fn add_with_std(a: u64, b: u64) -> u64 {
    a + b
}

/// Writes to one page, one byte each.
#[virtine(backend = "process")]
pub fn write_1() -> u64 {
    write_pages(1)
}

/// Writes to 16 pages, one byte each.
#[virtine(backend = "process")]
pub fn write_16() -> u64 {
    write_pages(16)
}

/// Writes to 64 pages, one byte each.
#[virtine(backend = "process")]
pub fn write_64() -> u64 {
    write_pages(64)
}

/// Writes to 256 pages, one byte each.
#[virtine(backend = "process")]
pub fn write_256() -> u64 {
    write_pages(256)
}

/// Makes `times` cheap requests to the host. Returns for how many the stream was a terminal.
#[virtine(backend = "process")]
pub fn ask(times: u64) -> usize {
    use std::io::IsTerminal as _;
    (0..times)
        .filter(|_| std::io::stdin().is_terminal())
        .count()
}
