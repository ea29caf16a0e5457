//! Guest memory, against which a guest's pointers are checked.
//!
//! Lengths and addresses come from the guest and are not trusted. Every byte is copied once, and only the host's copy
//! is inspected, since the guest may change its own meanwhile.

use rustix::io::Errno;
use virtine_rt::abi::requests::PATH_MAX;

use crate::host::request_error::RequestError;
use crate::limits::meter::Meter;

/// The memory that is a guest's own.
pub(crate) trait GuestSpace {
    /// How many bytes from `address` on the guest itself may read.
    fn readable_from(&self, address: u64) -> u64;

    /// How many bytes from `address` on the guest itself may write.
    fn writable_from(&self, address: u64) -> u64;

    /// Copies the bytes at `address`, which are [readable](GuestSpace::readable_from), into `to`.
    fn read(&self, address: u64, to: &mut [u8]) -> Option<()>;

    /// Copies `bytes` to `address`, where they are [writable](GuestSpace::writable_from).
    fn write(&mut self, address: u64, bytes: &[u8]) -> Option<()>;
}

/// Checked access, with the errors of hypercalls.
pub(crate) trait Access {
    /// Copies as many bytes as the array has.
    fn array<const N: usize>(&self, address: u64) -> Result<[u8; N], RequestError>;

    /// Copies a small number of bytes from the guest.
    fn bytes(&self, address: u64, length: u64) -> Result<Vec<u8>, RequestError>;

    /// Copies a string from the guest, without its final NUL: at most [`PATH_MAX`] bytes including the NUL.
    fn text(&self, address: u64) -> Result<Vec<u8>, RequestError>;

    /// Copies `bytes` to an address that the guest chose.
    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), RequestError>;

    /// Lets `take` consume the guest's bytes, a piece at a time, until a piece is not consumed completely. `take` gets
    /// the number of bytes consumed so far, and returns how many more it consumed. Returns the total.
    fn take_in_pieces(
        &self,
        address: u64,
        length: u64,
        meter: &Meter,
        take: impl FnMut(usize, &[u8]) -> Result<usize, Errno>,
    ) -> Result<u64, RequestError>;

    /// Lets `fill` produce bytes for the guest, a piece at a time, until a piece is not filled completely. `fill` gets
    /// the number of bytes produced so far, and returns how many more it produced. Returns the total.
    fn fill_in_pieces(
        &mut self,
        address: u64,
        length: u64,
        meter: &Meter,
        fill: impl FnMut(usize, &mut [u8]) -> Result<usize, Errno>,
    ) -> Result<u64, RequestError>;

    /// Lets `take` consume the guest's bytes once, at most `most` of them.
    fn take_once(
        &self,
        address: u64,
        length: u64,
        most: usize,
        take: impl FnOnce(&[u8]) -> Result<u64, RequestError>,
    ) -> Result<u64, RequestError>;

    /// Lets `fill` produce bytes for the guest once, at most `most` of them.
    fn fill_once(
        &mut self,
        address: u64,
        length: u64,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<u64, RequestError>,
    ) -> Result<u64, RequestError>;
}

impl<S: GuestSpace + ?Sized> Access for S {
    fn array<const N: usize>(&self, address: u64) -> Result<[u8; N], RequestError> {
        let mut bytes = [0; N];
        check(self.readable_from(address), N as u64)?;
        self.read(address, &mut bytes).ok_or(Errno::FAULT)?;
        Ok(bytes)
    }

    fn bytes(&self, address: u64, length: u64) -> Result<Vec<u8>, RequestError> {
        check(self.readable_from(address), length)?;
        let mut bytes = vec![0; length as usize];
        read(self, address, &mut bytes)?;
        Ok(bytes)
    }

    fn text(&self, address: u64) -> Result<Vec<u8>, RequestError> {
        let available = self.readable_from(address);
        let mut bytes = self.bytes(address, available.min(PATH_MAX as u64))?;
        match bytes.iter().position(|&byte| byte == 0) {
            Some(end) => {
                bytes.truncate(end);
                Ok(bytes)
            }
            None if available < PATH_MAX as u64 => Err(Errno::FAULT.into()),
            None => Err(Errno::NAMETOOLONG.into()),
        }
    }

    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), RequestError> {
        check(self.writable_from(address), bytes.len() as u64)?;
        write(self, address, bytes)
    }

    fn take_in_pieces(
        &self,
        address: u64,
        length: u64,
        meter: &Meter,
        mut take: impl FnMut(usize, &[u8]) -> Result<usize, Errno>,
    ) -> Result<u64, RequestError> {
        check(self.readable_from(address), length)?;
        let mut buffer = Vec::new();
        in_pieces(length as usize, meter, |done, piece| {
            buffer.resize(piece, 0);
            read(self, address + done as u64, &mut buffer)?;
            Ok(take(done, &buffer)?)
        })
    }

    fn fill_in_pieces(
        &mut self,
        address: u64,
        length: u64,
        meter: &Meter,
        mut fill: impl FnMut(usize, &mut [u8]) -> Result<usize, Errno>,
    ) -> Result<u64, RequestError> {
        check(self.writable_from(address), length)?;
        let mut buffer = Vec::new();
        in_pieces(length as usize, meter, |done, piece| {
            buffer.resize(piece, 0);
            let count = fill(done, &mut buffer)?;
            let made = buffer.get(..count).unwrap_or_default();
            write(self, address + done as u64, made)?;
            Ok(count)
        })
    }

    fn take_once(
        &self,
        address: u64,
        length: u64,
        most: usize,
        take: impl FnOnce(&[u8]) -> Result<u64, RequestError>,
    ) -> Result<u64, RequestError> {
        check(self.readable_from(address), length)?;
        let mut buffer = vec![0; most.min(length as usize)];
        read(self, address, &mut buffer)?;
        take(&buffer)
    }

    fn fill_once(
        &mut self,
        address: u64,
        length: u64,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<u64, RequestError>,
    ) -> Result<u64, RequestError> {
        check(self.writable_from(address), length)?;
        let mut buffer = vec![0; most.min(length as usize)];
        let count = fill(&mut buffer)?;
        let made = buffer.get(..count as usize).unwrap_or_default();
        write(self, address, made)?;
        Ok(count)
    }
}

/// Checks that there are as many bytes as the guest says.
fn check(there: u64, length: u64) -> Result<(), RequestError> {
    match length <= there {
        true => Ok(()),
        false => Err(Errno::FAULT.into()),
    }
}

/// An empty range may lie anywhere. Rust's own address for one is 1.
fn read(
    space: &(impl GuestSpace + ?Sized),
    address: u64,
    to: &mut [u8],
) -> Result<(), RequestError> {
    match to.is_empty() {
        true => Ok(()),
        false => space.read(address, to).ok_or(Errno::FAULT.into()),
    }
}

fn write(
    space: &mut (impl GuestSpace + ?Sized),
    address: u64,
    bytes: &[u8],
) -> Result<(), RequestError> {
    match bytes.is_empty() {
        true => Ok(()),
        false => space.write(address, bytes).ok_or(Errno::FAULT.into()),
    }
}

/// Moves up to `length` bytes, a piece at a time, until a piece is not moved completely. `transfer` gets the number of
/// bytes moved so far and the size of the next piece.
fn in_pieces(
    length: usize,
    meter: &Meter,
    mut transfer: impl FnMut(usize, usize) -> Result<usize, RequestError>,
) -> Result<u64, RequestError> {
    let mut pieces = meter.pieces();
    let mut done = 0;
    loop {
        let piece = pieces.next()?.min(length - done);
        match transfer(done, piece) {
            Ok(count) => {
                done += count;
                if count < piece || done == length {
                    return Ok(done as u64);
                }
            }
            Err(RequestError::Errno(Errno::INTR)) => {}
            // As in Linux: the bytes moved before are reported now, and the error next time.
            Err(RequestError::Errno(_)) if done > 0 => return Ok(done as u64),
            Err(error) => return Err(error),
        }
    }
}
