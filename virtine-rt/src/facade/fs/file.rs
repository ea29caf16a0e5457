//! `File`.

use alloc_crate::string::String;
use alloc_crate::vec::Vec;

use super::metadata::Metadata;
use crate::FromHandle;
use crate::guest::request;
use crate::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};

/// Same as in std: a host file, through a handle that belongs to this call.
#[derive(Debug)]
pub struct File {
    handle: u64,
}

impl File {
    pub(super) const fn new(handle: u64) -> Self {
        Self { handle }
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// Errors of the host.
    pub fn metadata(&self) -> io::Result<Metadata> {
        Ok(Metadata::decode(&request::stat(self.handle)?))
    }

    /// Bytes from the position to the end, if the host knows: the buffer size for reading them.
    fn rest(&self) -> usize {
        let length = self.metadata().map_or(0, |metadata| metadata.len());
        let position = request::seek(self.handle, 0, 1).unwrap_or(0);
        usize::try_from(length.saturating_sub(position)).unwrap_or(0)
    }
}

impl FromHandle for File {
    fn from_handle(handle: u64) -> Self {
        Self::new(handle)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = request::close(self.handle);
    }
}

impl Read for &File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(request::read(self.handle, buffer)?)
    }

    /// Uses one hypercall for everything there is, and one that finds the end.
    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let before = buffer.len();
        buffer.resize(before + self.rest(), 0);
        let mut filled = before;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    buffer.truncate(filled);
                    return Err(error);
                }
            }
        }
        buffer.truncate(filled);
        // Devices have no length, and files may grow.
        Ok(filled - before + io::read_rest(self, buffer)?)
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(request::write(self.handle, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &File {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let (offset, whence) = match position {
            SeekFrom::Start(offset) => (offset.cast_signed(), 0),
            SeekFrom::Current(offset) => (offset, 1),
            SeekFrom::End(offset) => (offset, 2),
        };
        Ok(request::seek(self.handle, offset, whence)?)
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        (&mut &*self).read_to_end(buffer)
    }

    fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
        (&mut &*self).read_to_string(text)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        (&mut &*self).seek(position)
    }
}

impl IsTerminal for File {
    fn is_terminal(&self) -> bool {
        request::is_terminal(self.handle)
    }
}
