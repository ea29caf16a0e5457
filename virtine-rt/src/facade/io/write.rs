//! `Write` and `Seek`.

use alloc_crate::boxed::Box;
use alloc_crate::collections::VecDeque;
use alloc_crate::vec::Vec;
use core::{fmt, mem};

use super::{Error, ErrorKind, Result};

/// Same as in std.
pub trait Write {
    /// Writes some of the bytes.
    ///
    /// # Errors
    ///
    /// Errors of the writer.
    fn write(&mut self, bytes: &[u8]) -> Result<usize>;

    /// Writes all buffered data.
    ///
    /// # Errors
    ///
    /// Errors of the writer.
    fn flush(&mut self) -> Result<()>;

    /// Writes all of the bytes.
    ///
    /// # Errors
    ///
    /// Errors of the writer, or it accepts no more.
    fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes) {
                Ok(0) => {
                    return Err(Error::message(
                        ErrorKind::WriteZero,
                        "failed to write whole buffer",
                    ));
                }
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Used by `write!`.
    ///
    /// # Errors
    ///
    /// Errors of the writer or of a formatting trait.
    fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> Result<()> {
        let mut adapter = Adapter {
            writer: self,
            error: Ok(()),
        };
        match fmt::write(&mut adapter, arguments) {
            Ok(()) => Ok(()),
            Err(fmt::Error) if adapter.error.is_err() => adapter.error,
            Err(fmt::Error) => {
                panic!(
                    "a formatting trait implementation returned an error when the underlying stream did not"
                )
            }
        }
    }

    /// The writer by reference, for use where a writer is taken by value.
    fn by_ref(&mut self) -> &mut Self
    where
        Self: Sized,
    {
        self
    }
}

/// Keeps the writer's error, which `fmt::Error` cannot carry.
struct Adapter<'a, W: ?Sized> {
    writer: &'a mut W,
    error: Result<()>,
}

impl<W: Write + ?Sized> fmt::Write for Adapter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.writer.write_all(text.as_bytes()).map_err(|error| {
            self.error = Err(error);
            fmt::Error
        })
    }
}

/// Same as in std.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekFrom {
    /// Bytes from the start.
    Start(u64),
    /// Bytes from the end.
    End(i64),
    /// Bytes from the current position.
    Current(i64),
}

/// Same as in std.
pub trait Seek {
    /// Moves to a position, and returns it.
    ///
    /// # Errors
    ///
    /// The position would lie before the start.
    fn seek(&mut self, position: SeekFrom) -> Result<u64>;

    /// Moves to the start.
    ///
    /// # Errors
    ///
    /// As for [`Seek::seek`].
    fn rewind(&mut self) -> Result<()> {
        self.seek(SeekFrom::Start(0)).map(drop)
    }

    /// The current position.
    ///
    /// # Errors
    ///
    /// As for [`Seek::seek`].
    fn stream_position(&mut self) -> Result<u64> {
        self.seek(SeekFrom::Current(0))
    }

    /// Moves by some bytes.
    ///
    /// # Errors
    ///
    /// As for [`Seek::seek`].
    fn seek_relative(&mut self, offset: i64) -> Result<()> {
        self.seek(SeekFrom::Current(offset)).map(drop)
    }
}

impl Write for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Write for VecDeque<u8> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Write for &mut [u8] {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = bytes.len().min(self.len());
        let (written, rest) = mem::take(self).split_at_mut(count);
        written.copy_from_slice(&bytes[..count]);
        *self = rest;
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

macro_rules! forwarded {
    ($($pointer:ty),*) => {
        $(
            impl<W: Write + ?Sized> Write for $pointer {
                fn write(&mut self, bytes: &[u8]) -> Result<usize> {
                    (**self).write(bytes)
                }

                fn flush(&mut self) -> Result<()> {
                    (**self).flush()
                }
            }

            impl<W: Seek + ?Sized> Seek for $pointer {
                fn seek(&mut self, position: SeekFrom) -> Result<u64> {
                    (**self).seek(position)
                }
            }
        )*
    };
}

forwarded! { &mut W, Box<W> }
