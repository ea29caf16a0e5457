//! `Read` and `BufRead`, and the types that their methods return.

use alloc_crate::boxed::Box;
use alloc_crate::collections::VecDeque;
use alloc_crate::string::String;
use alloc_crate::vec::Vec;

use super::{Error, ErrorKind, Result};

const CHUNK: usize = 1024;
const CHUNK_MAX: usize = 256 * 1024;

const NOT_UTF8: Error =
    Error::message(ErrorKind::InvalidData, "stream did not contain valid UTF-8");

/// Same as in std.
pub trait Read {
    /// Reads some bytes, or none at the end.
    ///
    /// # Errors
    ///
    /// Errors of the reader.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;

    /// Appends everything that is left.
    ///
    /// # Errors
    ///
    /// Errors of the reader.
    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> Result<usize> {
        read_rest(self, buffer)
    }

    /// Appends everything that is left.
    ///
    /// # Errors
    ///
    /// Errors of the reader, or the rest is not UTF-8.
    fn read_to_string(&mut self, text: &mut String) -> Result<usize> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        append(text, &bytes)
    }

    /// Fills the buffer.
    ///
    /// # Errors
    ///
    /// Errors of the reader, or it ends too early.
    fn read_exact(&mut self, mut buffer: &mut [u8]) -> Result<()> {
        while !buffer.is_empty() {
            match self.read(buffer) {
                Ok(0) => {
                    return Err(Error::message(
                        ErrorKind::UnexpectedEof,
                        "failed to fill whole buffer",
                    ));
                }
                Ok(count) => buffer = &mut buffer[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The reader by reference, for use where a reader is taken by value.
    fn by_ref(&mut self) -> &mut Self
    where
        Self: Sized,
    {
        self
    }

    /// Its bytes, one by one.
    fn bytes(self) -> Bytes<Self>
    where
        Self: Sized,
    {
        Bytes(self)
    }

    /// This reader's bytes, followed by those of `next`.
    fn chain<R: Read>(self, next: R) -> Chain<Self, R>
    where
        Self: Sized,
    {
        Chain {
            first: self,
            second: next,
            first_is_over: false,
        }
    }

    /// At most `limit` of its bytes.
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        Take { inner: self, limit }
    }
}

/// Appends everything that is left, in growing pieces, since each may be an exit of the virtual machine.
pub(crate) fn read_rest<R: Read + ?Sized>(reader: &mut R, buffer: &mut Vec<u8>) -> Result<usize> {
    let before = buffer.len();
    loop {
        let filled = buffer.len();
        buffer.resize(filled + (filled - before).clamp(CHUNK, CHUNK_MAX), 0);
        let read = reader.read(&mut buffer[filled..]);
        let count = *read.as_ref().unwrap_or(&0);
        buffer.truncate(filled + count);
        match read {
            Ok(0) => return Ok(filled - before),
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
}

fn append(text: &mut String, bytes: &[u8]) -> Result<usize> {
    let read = str::from_utf8(bytes).map_err(|_| NOT_UTF8)?;
    text.push_str(read);
    Ok(read.len())
}

/// Everything that a reader has, as a string.
///
/// # Errors
///
/// Errors of the reader, or it is not UTF-8.
pub fn read_to_string<R: Read>(mut reader: R) -> Result<String> {
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    Ok(text)
}

/// Same as in std.
pub trait BufRead: Read {
    /// The bytes that are already buffered, or else the next ones. Empty at the end.
    ///
    /// # Errors
    ///
    /// Errors of the reader.
    fn fill_buf(&mut self) -> Result<&[u8]>;

    /// Skips `count` bytes of those that [`BufRead::fill_buf`] returned.
    fn consume(&mut self, count: usize);

    /// Appends everything up to and including `delimiter`.
    ///
    /// # Errors
    ///
    /// Errors of the reader.
    fn read_until(&mut self, delimiter: u8, buffer: &mut Vec<u8>) -> Result<usize> {
        let mut read = 0;
        loop {
            let available = self.fill_buf()?;
            let found = available.iter().position(|&byte| byte == delimiter);
            let count = found.map_or(available.len(), |at| at + 1);
            buffer.extend_from_slice(&available[..count]);
            self.consume(count);
            read += count;
            if found.is_some() || count == 0 {
                return Ok(read);
            }
        }
    }

    /// Appends the next line, including its end.
    ///
    /// # Errors
    ///
    /// Errors of the reader, or the line is not UTF-8.
    fn read_line(&mut self, line: &mut String) -> Result<usize> {
        let mut bytes = Vec::new();
        self.read_until(b'\n', &mut bytes)?;
        append(line, &bytes)
    }

    /// The parts between the delimiters.
    fn split(self, delimiter: u8) -> Split<Self>
    where
        Self: Sized,
    {
        Split {
            reader: self,
            delimiter,
        }
    }

    /// The lines, without their ends.
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines(self)
    }
}

/// See [`Read::bytes`].
#[derive(Debug)]
pub struct Bytes<R>(R);

impl<R: Read> Iterator for Bytes<R> {
    type Item = Result<u8>;

    fn next(&mut self) -> Option<Result<u8>> {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(0) => None,
            Ok(_) => Some(Ok(byte[0])),
            Err(error) => Some(Err(error)),
        }
    }
}

/// See [`BufRead::lines`].
#[derive(Debug)]
pub struct Lines<B>(B);

impl<B: BufRead> Iterator for Lines<B> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                if line.ends_with('\n') {
                    line.pop();
                    if line.ends_with('\r') {
                        line.pop();
                    }
                }
                Some(Ok(line))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// See [`BufRead::split`].
#[derive(Debug)]
pub struct Split<B> {
    reader: B,
    delimiter: u8,
}

impl<B: BufRead> Iterator for Split<B> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        let mut part = Vec::new();
        match self.reader.read_until(self.delimiter, &mut part) {
            Ok(0) => None,
            Ok(_) => {
                if part.last() == Some(&self.delimiter) {
                    part.pop();
                }
                Some(Ok(part))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// See [`Read::chain`].
#[derive(Debug)]
pub struct Chain<A, B> {
    first: A,
    second: B,
    first_is_over: bool,
}

impl<A, B> Chain<A, B> {
    /// The two readers.
    pub fn into_inner(self) -> (A, B) {
        (self.first, self.second)
    }
}

impl<A: Read, B: Read> Read for Chain<A, B> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if !self.first_is_over {
            let count = self.first.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.first_is_over = true;
        }
        self.second.read(buffer)
    }
}

impl<A: BufRead, B: BufRead> BufRead for Chain<A, B> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if !self.first_is_over {
            // Called twice, because the first answer cannot be kept past the check.
            match self.first.fill_buf()?.is_empty() {
                true => self.first_is_over = true,
                false => return self.first.fill_buf(),
            }
        }
        self.second.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        match self.first_is_over {
            true => self.second.consume(count),
            false => self.first.consume(count),
        }
    }
}

/// See [`Read::take`].
#[derive(Debug)]
pub struct Take<R> {
    inner: R,
    limit: u64,
}

impl<R> Take<R> {
    /// The number of bytes that it will still read.
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Sets how many bytes it will still read.
    pub const fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The reader.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// The reader.
    pub const fn get_ref(&self) -> &R {
        &self.inner
    }

    fn cut(&self, length: usize) -> usize {
        usize::try_from(self.limit).map_or(length, |limit| length.min(limit))
    }
}

impl<R: Read> Read for Take<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let most = self.cut(buffer.len());
        let count = match most {
            0 => 0,
            _ => self.inner.read(&mut buffer[..most])?,
        };
        self.limit -= count as u64;
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Take<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.limit == 0 {
            return Ok(&[]);
        }
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let available = self.inner.fill_buf()?;
        Ok(&available[..available.len().min(limit)])
    }

    fn consume(&mut self, count: usize) {
        let count = self.cut(count);
        self.limit -= count as u64;
        self.inner.consume(count);
    }
}

impl Read for &[u8] {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = buffer.len().min(self.len());
        let (read, rest) = self.split_at(count);
        buffer[..count].copy_from_slice(read);
        *self = rest;
        Ok(count)
    }
}

impl BufRead for &[u8] {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        Ok(self)
    }

    fn consume(&mut self, count: usize) {
        *self = &self[count..];
    }
}

impl Read for VecDeque<u8> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let (mut front, _) = self.as_slices();
        let count = Read::read(&mut front, buffer)?;
        self.drain(..count);
        Ok(count)
    }
}

impl<R: Read + ?Sized> Read for &mut R {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        (**self).read(buffer)
    }
}

impl<R: BufRead + ?Sized> BufRead for &mut R {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        (**self).fill_buf()
    }

    fn consume(&mut self, count: usize) {
        (**self).consume(count);
    }
}

impl<R: Read + ?Sized> Read for Box<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        (**self).read(buffer)
    }
}

impl<R: BufRead + ?Sized> BufRead for Box<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        (**self).fill_buf()
    }

    fn consume(&mut self, count: usize) {
        (**self).consume(count);
    }
}
