//! Encrypts standard input to standard output, in virtines.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use clap::Parser;
use virtine_aes::{BLOCK, encrypt};

/// Bytes that one call encrypts.
const CHUNK: usize = 16 << 10;

/// Encrypts standard input with AES-128-CBC and PKCS #7 padding, like `openssl enc -aes-128-cbc -K .. -iv ..`.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The key: 32 hexadecimal digits.
    #[arg(value_parser = block)]
    key: [u8; BLOCK],
    /// The initialisation vector: 32 hexadecimal digits.
    #[arg(value_parser = block)]
    iv: [u8; BLOCK],
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("virtine-aes: {message}");
            ExitCode::FAILURE
        }
    }
}

fn block(text: &str) -> Result<[u8; BLOCK], String> {
    let digits = text.len();
    let number = u128::from_str_radix(text, 16).ok();
    match number.filter(|_| digits == 2 * BLOCK && !text.starts_with('+')) {
        Some(number) => Ok(number.to_be_bytes()),
        None => Err(format!(
            "expected 32 hexadecimal digits, found {digits} characters"
        )),
    }
}

/// Encrypts in chunks. Each chunk's last block is the next one's initialization vector.
fn run(options: &Options) -> Result<(), String> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut iv = options.iv;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK + BLOCK);
        let read = input.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
        let last = read.map_err(|error| format!("cannot read: {error}"))? < CHUNK;
        if last {
            pad(&mut chunk);
        }
        let encrypted = encrypt::try_call(&options.key, &iv, &chunk)
            .map_err(|error| error.to_string())?
            .map_err(|length| format!("expected whole blocks, found {length} bytes"))?;
        output
            .write_all(&encrypted)
            .map_err(|error| format!("cannot write: {error}"))?;
        if last {
            return Ok(());
        }
        iv.copy_from_slice(&encrypted[CHUNK - BLOCK..]);
    }
}

/// PKCS #7: appends the number of missing bytes, as bytes of that value. Appends a whole block if none is missing.
fn pad(chunk: &mut Vec<u8>) {
    let missing = BLOCK - chunk.len() % BLOCK;
    chunk.resize(chunk.len() + missing, missing as u8);
}
