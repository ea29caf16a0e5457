//! Counts the words of an untrusted text in a virtine.

use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

mod count;

/// Prints the most frequent words of a UTF-8 text, one per line as COUNT WORD.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The text.
    file: PathBuf,
    /// How many words to print.
    #[arg(short = 'n', default_value_t = 10)]
    words: usize,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("word-count: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let text = read(&options.file)?;
    let words = count::most_frequent::try_call(&text, options.words)
        .map_err(|error| format!("{}: {error}", options.file.display()))?;
    match print(&words) {
        // The reader has closed the pipe and needs no more output.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| format!("cannot print: {error}")),
    }
}

fn read(file: &Path) -> Result<String, String> {
    let bytes =
        fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!(
            "{} is not UTF-8: invalid bytes at offset {at}",
            file.display()
        )
    })
}

fn print(words: &[(String, u64)]) -> io::Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    for (word, count) in words {
        writeln!(output, "{count} {word}")?;
    }
    output.flush()
}
