//! `compression FILE`: how long zstd takes for a file, in a virtine and on the host.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, io};

use clap::Parser;
use compression::{compress, decompress, decompress_here};

/// Compares zstd in a virtine with zstd on the host.
#[derive(Parser)]
struct Options {
    /// The file to compress and decompress.
    file: PathBuf,
}

#[expect(clippy::print_stdout, reason = "what the program is for")]
fn main() -> io::Result<()> {
    let options = Options::parse();
    let bytes = fs::read(&options.file)?;
    let packed = compress(&bytes, 3).map_err(io::Error::other)?;
    let limit = bytes.len();
    let here = median(|| decompress_here(&packed, limit).map(|all| all == bytes));
    let inside = median(|| decompress(&packed, limit).map(|all| all == bytes));
    println!("{} bytes, {} packed", bytes.len(), packed.len());
    println!("on the host   {here:?}");
    println!("in a virtine  {inside:?}");
    Ok(())
}

/// The median of a hundred runs, each of which must restore the bytes.
fn median(mut once: impl FnMut() -> Result<bool, String>) -> Duration {
    let mut times: Vec<Duration> = (0..101)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(once(), Ok(true), "other bytes came back");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}
