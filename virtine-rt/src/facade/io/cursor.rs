//! `Cursor`: reads, writes and seeks in memory.

use alloc_crate::boxed::Box;
use alloc_crate::vec::Vec;

use super::{BufRead, Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};

/// Same as in std.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor<T> {
    inner: T,
    position: u64,
}

impl<T> Cursor<T> {
    /// Creates a cursor at the start of `inner`.
    pub const fn new(inner: T) -> Self {
        Self { inner, position: 0 }
    }

    /// The memory.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// The memory.
    pub const fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The memory.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The current position.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Sets the position, which may be beyond the end.
    pub const fn set_position(&mut self, position: u64) {
        self.position = position;
    }

    fn start(&self, length: usize) -> usize {
        usize::try_from(self.position).map_or(length, |position| position.min(length))
    }
}

impl<T: AsRef<[u8]>> Seek for Cursor<T> {
    fn seek(&mut self, position: SeekFrom) -> Result<u64> {
        let length = self.inner.as_ref().len() as u64;
        let position = match position {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(Error::message(
            ErrorKind::InvalidInput,
            "invalid seek to a negative or overflowing position",
        ))?;
        Ok(self.position)
    }
}

impl<T: AsRef<[u8]>> Read for Cursor<T> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = Read::read(&mut self.fill_buf()?, buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl<T: AsRef<[u8]>> BufRead for Cursor<T> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        let bytes = self.inner.as_ref();
        Ok(&bytes[self.start(bytes.len())..])
    }

    fn consume(&mut self, count: usize) {
        self.position += count as u64;
    }
}

/// Writes into existing memory only.
fn overwrite(memory: &mut [u8], position: &mut u64, bytes: &[u8]) -> Result<usize> {
    let start = usize::try_from(*position).map_or(memory.len(), |at| at.min(memory.len()));
    let count = Write::write(&mut &mut memory[start..], bytes)?;
    *position += count as u64;
    Ok(count)
}

/// Writes, and grows the memory as needed. A gap between the end and the position is filled with zeros.
fn grow(memory: &mut Vec<u8>, position: &mut u64, bytes: &[u8]) -> Result<usize> {
    let start = usize::try_from(*position).map_err(|_| {
        Error::message(
            ErrorKind::InvalidInput,
            "cursor position exceeds maximum possible vector length",
        )
    })?;
    let end = start + bytes.len();
    if memory.len() < end {
        memory.resize(end, 0);
    }
    memory[start..end].copy_from_slice(bytes);
    *position = end as u64;
    Ok(bytes.len())
}

macro_rules! writers {
    ($({$($generics:tt)*} $memory:ty => $write:ident,)*) => {
        $(
            impl<$($generics)*> Write for Cursor<$memory> {
                fn write(&mut self, bytes: &[u8]) -> Result<usize> {
                    $write(&mut self.inner, &mut self.position, bytes)
                }

                fn flush(&mut self) -> Result<()> {
                    Ok(())
                }
            }
        )*
    };
}

writers! {
    {} &mut [u8] => overwrite,
    {} Box<[u8]> => overwrite,
    {const N: usize} [u8; N] => overwrite,
    {} Vec<u8> => grow,
    {} &mut Vec<u8> => grow,
}
