//! Virtines that the benchmarks of wasp-core call. The rest of this package is tests.

use std::hint::black_box;
use std::sync::Barrier;

use wasp_core::virtine;

pub mod data;
pub mod processes;

/// Does nothing.
#[virtine]
pub fn empty() {}

/// Adds its arguments.
#[virtine]
pub fn add(a: u64, b: u64) -> u64 {
    a + b
}

/// The same, with the real std.
#[virtine(std)]
pub fn add_with_std(a: u64, b: u64) -> u64 {
    a + b
}

/// Writes to one page, one byte each. There is one function per count, because a page that was written once is restored
/// after every later call.
#[virtine]
pub fn write_1() -> u64 {
    write_pages(1)
}

/// Writes to four pages, one byte each. There is one function per count, because a page that was written once is
/// restored after every later call.
#[virtine]
pub fn write_4() -> u64 {
    write_pages(4)
}

/// Writes to 16 pages, one byte each. There is one function per count, because a page that was written once is restored
/// after every later call.
#[virtine]
pub fn write_16() -> u64 {
    write_pages(16)
}

/// Writes to 64 pages, one byte each. There is one function per count, because a page that was written once is restored
/// after every later call.
#[virtine]
pub fn write_64() -> u64 {
    write_pages(64)
}

fn write_pages(count: u64) -> u64 {
    let mut memory = Vec::<u8>::with_capacity((count as usize) << 12);
    for page in memory.spare_capacity_mut().chunks_mut(1 << 12) {
        black_box(page[0].write(1));
    }
    black_box(&memory);
    count
}

/// The sum of a byte slice's length and its last byte.
#[virtine]
pub fn measure(bytes: &[u8]) -> u64 {
    bytes.len() as u64 + u64::from(bytes.last().copied().unwrap_or_default())
}

/// Makes `times` cheap requests to the host. Returns for how many the stream was a terminal.
#[virtine]
pub fn ask(times: u64) -> usize {
    use std::io::IsTerminal as _;
    (0..times)
        .filter(|_| std::io::stdin().is_terminal())
        .count()
}

/// Reads this many bytes, and returns the last one.
#[virtine]
pub fn take(file: &mut std::fs::File, count: usize) -> std::io::Result<u8> {
    use std::io::Read as _;
    let mut bytes = vec![0; count];
    file.read_exact(&mut bytes)?;
    Ok(bytes.last().copied().unwrap_or_default())
}

/// How many calls of [`meets()`] wait for each other: as many as can run at a time on few cores.
pub const MEETING: usize = 8;

fn wait_for_others() {
    static OTHERS: Barrier = Barrier::new(MEETING);
    OTHERS.wait();
}

/// Returns at once, or when [`MEETING`] calls are running.
#[virtine(std, host(wait_for_others))]
pub fn meets(others: bool) {
    if others {
        wait_for_others();
    }
}

/// Writes to this many pages, one byte each. Returns their number.
#[virtine(memory = "160MiB")]
pub fn touch(pages: usize) -> usize {
    let mut memory = Vec::<u8>::with_capacity(pages << 12);
    for page in memory.spare_capacity_mut().chunks_mut(1 << 12) {
        black_box(page[0].write(1));
    }
    black_box(&memory).capacity() >> 12
}
