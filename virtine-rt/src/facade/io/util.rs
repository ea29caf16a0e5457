//! `empty`, `repeat`, `sink` and `copy`.

use super::{BufRead, Read, Result, Write};

/// Same as in std.
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

/// Reads nothing.
#[must_use]
pub const fn empty() -> Empty {
    Empty
}

impl Read for Empty {
    fn read(&mut self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }
}

impl BufRead for Empty {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        Ok(&[])
    }

    fn consume(&mut self, _: usize) {}
}

/// Same as in std.
#[derive(Clone, Copy, Debug)]
pub struct Repeat(u8);

/// Repeats one byte forever.
#[must_use]
pub const fn repeat(byte: u8) -> Repeat {
    Repeat(byte)
}

impl Read for Repeat {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        buffer.fill(self.0);
        Ok(buffer.len())
    }
}

/// Same as in std.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sink;

/// Drops what is written.
#[must_use]
pub const fn sink() -> Sink {
    Sink
}

macro_rules! dropping {
    ($($writer:ty),*) => {
        $(
            impl Write for $writer {
                fn write(&mut self, bytes: &[u8]) -> Result<usize> {
                    Ok(bytes.len())
                }

                fn flush(&mut self) -> Result<()> {
                    Ok(())
                }
            }
        )*
    };
}

dropping! { Sink, Empty }

/// Writes everything that a reader has.
///
/// # Errors
///
/// Errors of the reader or the writer.
pub fn copy<R: Read + ?Sized, W: Write + ?Sized>(reader: &mut R, writer: &mut W) -> Result<u64> {
    let mut buffer = [0; 1024];
    let mut copied = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(copied),
            count => {
                writer.write_all(&buffer[..count])?;
                copied += count as u64;
            }
        }
    }
}
