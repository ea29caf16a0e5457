//! `BufReader`, `BufWriter` and `LineWriter`.

use alloc_crate::vec;
use alloc_crate::vec::Vec;
use core::fmt;

use super::{BufRead, Error, Read, Result, Seek, SeekFrom, Write};

const CAPACITY: usize = 8 * 1024;

/// Same as in std.
pub struct BufReader<R: ?Sized> {
    buffer: Vec<u8>,
    /// The part of the buffer that was read from `inner` but not yet from here.
    unread: core::ops::Range<usize>,
    inner: R,
}

impl<R: Read> BufReader<R> {
    /// Same as in std.
    pub fn new(inner: R) -> Self {
        Self::with_capacity(CAPACITY, inner)
    }

    /// Same as in std.
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        Self {
            buffer: vec![0; capacity],
            unread: 0..0,
            inner,
        }
    }
}

impl<R> BufReader<R> {
    /// The reader.
    pub const fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The reader.
    pub const fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Returns the reader. Buffered data is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// The buffered data.
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    /// The capacity of the buffer in bytes.
    pub fn capacity(&self) -> usize {
        self.buffer.len()
    }
}

impl<R: Read + ?Sized> Read for BufReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.unread.is_empty() && buffer.len() >= self.buffer.len() {
            return self.inner.read(buffer);
        }
        let count = Read::read(&mut self.fill_buf()?, buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read + ?Sized> BufRead for BufReader<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.unread.is_empty() {
            self.unread = 0..0;
            self.unread.end = self.inner.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.unread.clone()])
    }

    fn consume(&mut self, count: usize) {
        self.unread.start = (self.unread.start + count).min(self.unread.end);
    }
}

impl<R: Seek + ?Sized> Seek for BufReader<R> {
    fn seek(&mut self, position: SeekFrom) -> Result<u64> {
        let position = match position {
            SeekFrom::Current(offset) => SeekFrom::Current(offset - self.unread.len() as i64),
            other => other,
        };
        self.unread = 0..0;
        self.inner.seek(position)
    }
}

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buffer = format_args!("{}/{}", self.unread.len(), self.buffer.len());
        f.debug_struct("BufReader")
            .field("reader", &self.inner)
            .field("buffer", &buffer)
            .finish()
    }
}

/// Same as in std.
pub struct BufWriter<W: Write> {
    /// `None` only once [`BufWriter::into_inner`] has taken it.
    inner: Option<W>,
    buffer: Vec<u8>,
}

const TAKEN: &str = "the writer is taken only by what consumes the buffer";

impl<W: Write> BufWriter<W> {
    /// Same as in std.
    pub fn new(inner: W) -> Self {
        Self::with_capacity(CAPACITY, inner)
    }

    /// Same as in std.
    pub fn with_capacity(capacity: usize, inner: W) -> Self {
        Self {
            inner: Some(inner),
            buffer: Vec::with_capacity(capacity),
        }
    }

    /// The writer.
    pub fn get_ref(&self) -> &W {
        self.inner.as_ref().expect(TAKEN)
    }

    /// The writer.
    pub fn get_mut(&mut self) -> &mut W {
        self.inner.as_mut().expect(TAKEN)
    }

    /// The buffered data.
    pub fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    /// The capacity of the buffer in bytes.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns the writer, after writing all buffered data.
    ///
    /// # Errors
    ///
    /// Errors of the writer, together with this value.
    pub fn into_inner(mut self) -> core::result::Result<W, IntoInnerError<Self>> {
        match self.hand_on() {
            Ok(()) => Ok(self.inner.take().expect(TAKEN)),
            Err(error) => Err(IntoInnerError(self, error)),
        }
    }

    fn hand_on(&mut self) -> Result<()> {
        let inner = self.inner.as_mut().expect(TAKEN);
        inner.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl<W: Write> Write for BufWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.buffer.len() + bytes.len() > self.buffer.capacity() {
            self.hand_on()?;
        }
        if bytes.len() >= self.buffer.capacity() {
            return self.get_mut().write(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.hand_on()?;
        self.get_mut().flush()
    }
}

impl<W: Write + Seek> Seek for BufWriter<W> {
    fn seek(&mut self, position: SeekFrom) -> Result<u64> {
        self.hand_on()?;
        self.get_mut().seek(position)
    }
}

impl<W: Write> Drop for BufWriter<W> {
    fn drop(&mut self) {
        if self.inner.is_some() {
            // As in std, an error cannot be reported here.
            _ = self.hand_on();
        }
    }
}

impl<W: Write + fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buffer = format_args!("{}/{}", self.buffer.len(), self.buffer.capacity());
        f.debug_struct("BufWriter")
            .field("writer", self.get_ref())
            .field("buffer", &buffer)
            .finish()
    }
}

/// The error of a buffered writer that could not write its data. Same as in std.
#[derive(Debug)]
pub struct IntoInnerError<W>(W, Error);

impl<W> IntoInnerError<W> {
    /// The error.
    pub const fn error(&self) -> &Error {
        &self.1
    }

    /// The buffered writer.
    pub fn into_inner(self) -> W {
        self.0
    }
}

impl<W> From<IntoInnerError<W>> for Error {
    fn from(error: IntoInnerError<W>) -> Self {
        error.1
    }
}

impl<W> fmt::Display for IntoInnerError<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.fmt(f)
    }
}

impl<W: fmt::Debug> core::error::Error for IntoInnerError<W> {}

/// Same as in std: buffers incomplete lines.
#[derive(Debug)]
pub struct LineWriter<W: Write>(BufWriter<W>);

impl<W: Write> LineWriter<W> {
    /// Same as in std.
    pub fn new(inner: W) -> Self {
        Self(BufWriter::with_capacity(1024, inner))
    }

    /// The writer.
    pub fn get_ref(&self) -> &W {
        self.0.get_ref()
    }

    /// The writer.
    pub fn get_mut(&mut self) -> &mut W {
        self.0.get_mut()
    }

    /// Returns the writer, after writing all buffered data.
    ///
    /// # Errors
    ///
    /// Errors of the writer, together with this value.
    pub fn into_inner(self) -> core::result::Result<W, IntoInnerError<Self>> {
        let error = |IntoInnerError(writer, error)| IntoInnerError(Self(writer), error);
        self.0.into_inner().map_err(error)
    }
}

impl<W: Write> Write for LineWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match bytes.iter().rposition(|&byte| byte == b'\n') {
            None => self.0.write(bytes),
            Some(last) => {
                self.0.write_all(&bytes[..=last])?;
                self.0.flush()?;
                self.0.write_all(&bytes[last + 1..])?;
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}
