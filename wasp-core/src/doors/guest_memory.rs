//! The memory that a guest's pointers are held against.
//!
//! Lengths and addresses come from the guest; nothing here trusts them. Between two runs the vCPU
//! stands still, and the whole memory is borrowed, so what was checked stays as it was.

use rustix::io::Errno;
use virtine_rt::abi::doors::PATH_MAX;

use super::refusal::Stop;

/// A guest's memory, as far as it is the guest's own.
pub(crate) trait GuestSpace {
    /// The `length` bytes at `address`, if the guest itself may read all of them.
    fn readable(&self, address: u64, length: u64) -> Option<&[u8]>;

    /// How many bytes from `address` on the guest itself may read.
    fn readable_from(&self, address: u64) -> u64;

    /// Has `fill` write to the `length` bytes at `address`, if the guest itself may write all of them.
    /// It returns how many it has written, from the first on, or an error.
    fn fill(
        &mut self,
        address: u64,
        length: u64,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<u64, Stop>,
    ) -> Option<Result<u64, Stop>>;
}

/// Checked access, in the words of hypercalls.
pub(crate) trait Access {
    /// The bytes that the guest hands over.
    fn bytes(&self, address: u64, length: u64) -> Result<&[u8], Stop>;

    /// The text that the guest hands over, a copy without its final NUL: at most [`PATH_MAX`] bytes with
    /// it.
    fn text(&self, address: u64) -> Result<Vec<u8>, Stop>;

    /// As [`GuestSpace::fill`].
    fn fill_with(
        &mut self,
        address: u64,
        length: u64,
        fill: impl FnMut(&mut [u8]) -> Result<u64, Stop>,
    ) -> Result<u64, Stop>;

    /// Copies `bytes` to where the guest wants them.
    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), Stop>;
}

impl<S: GuestSpace + ?Sized> Access for S {
    fn bytes(&self, address: u64, length: u64) -> Result<&[u8], Stop> {
        match length {
            // No bytes lie anywhere; Rust's own address for them is 1.
            0 => Ok(&[]),
            _ => self
                .readable(address, length)
                .ok_or(Stop::Errno(Errno::FAULT)),
        }
    }

    fn text(&self, address: u64) -> Result<Vec<u8>, Stop> {
        let available = self.readable_from(address);
        let bytes = self.bytes(address, available.min(PATH_MAX as u64))?;
        match bytes.iter().position(|&byte| byte == 0) {
            Some(end) => Ok(bytes.get(..end).unwrap_or_default().to_vec()),
            None if available < PATH_MAX as u64 => Err(Errno::FAULT.into()),
            None => Err(Errno::NAMETOOLONG.into()),
        }
    }

    fn fill_with(
        &mut self,
        address: u64,
        length: u64,
        mut fill: impl FnMut(&mut [u8]) -> Result<u64, Stop>,
    ) -> Result<u64, Stop> {
        match length {
            0 => fill(&mut []),
            _ => self
                .fill(address, length, &mut fill)
                .ok_or(Stop::Errno(Errno::FAULT))?,
        }
    }

    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), Stop> {
        let copied = self.fill_with(address, bytes.len() as u64, |place| {
            place.copy_from_slice(bytes);
            Ok(bytes.len() as u64)
        });
        copied.map(drop)
    }
}
