//! Makes a thumbnail of a PNG file.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use image_thumbnail::thumbnail;

/// Makes a thumbnail of an untrusted PNG file, which is decoded in a virtine.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The PNG file.
    input: PathBuf,
    /// The PNG file to write.
    output: PathBuf,
    /// The thumbnail's longer side, in pixels.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=1024))]
    side: u16,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("image-thumbnail: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let input = options.input.display();
    let file = fs::read(&options.input).map_err(|error| format!("cannot read {input}: {error}"))?;
    let small = thumbnail::try_call(&file, options.side.into())
        .map_err(|error| format!("{input}: {error}"))?
        .map_err(|error| format!("{input}: {error}"))?;
    fs::write(&options.output, small)
        .map_err(|error| format!("cannot write {}: {error}", options.output.display()))
}
