//! Guest memory in another process, by its /proc/self/mem: as that process opened it, so that no right to trace it is
//! needed.
//!
//! Writes are gathered, since each takes a system call: arguments are encoded a few bytes at a time.

use std::cell::RefCell;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::io::{Errno, pread, pwrite, pwritev, retry_on_intr};

/// As many bytes are gathered at most; more are written at once.
const GATHERED: usize = 64 << 10;

/// Another process's memory.
pub(crate) struct RemoteMemory {
    file: OwnedFd,
    pending: RefCell<Pending>,
}

/// Bytes that are not written yet.
#[derive(Default)]
struct Pending {
    address: u64,
    bytes: Vec<u8>,
    /// What the kernel said of earlier ones.
    failed: Option<Errno>,
}

impl Pending {
    /// Takes these bytes, if they lie next to the others or over them.
    #[inline]
    fn take(&mut self, address: u64, bytes: &[u8]) -> bool {
        if self.bytes.is_empty() {
            self.address = address;
        }
        let Some(start) = address.checked_sub(self.address) else {
            return false;
        };
        let (start, length) = (start as usize, self.bytes.len());
        let end = start.saturating_add(bytes.len());
        if start > length || end > GATHERED {
            return false;
        }
        let overwritten = length.min(end) - start;
        let (over, behind) = bytes.split_at(overwritten);
        self.bytes[start..start + overwritten].copy_from_slice(over);
        self.bytes.extend_from_slice(behind);
        true
    }
}

impl RemoteMemory {
    pub(crate) fn new(file: OwnedFd) -> Self {
        Self {
            file,
            pending: RefCell::default(),
        }
    }

    /// Writes what has been gathered.
    ///
    /// # Errors
    ///
    /// What the kernel said of this or an earlier write since this was last called.
    #[inline]
    pub(crate) fn flush(&self) -> Result<(), Errno> {
        let mut pending = self.pending.borrow_mut();
        self.write_out(&mut pending);
        match pending.failed.take() {
            None => Ok(()),
            Some(errno) => Err(errno),
        }
    }

    fn write_out(&self, pending: &mut Pending) {
        if !pending.bytes.is_empty() {
            let written = self.write_now(pending.address, &pending.bytes);
            pending.failed = pending.failed.or(written.err());
            pending.bytes.clear();
        }
    }

    /// Copies pieces to `address`, one behind the other: as many as one system call takes, and however many bytes of
    /// them are taken. Tells how many that are.
    pub(crate) fn write_pieces(&self, address: u64, pieces: &[IoSlice<'_>]) -> Result<u64, Errno> {
        match retry_on_intr(|| pwritev(self.file.as_fd(), pieces, address))? {
            0 => Err(Errno::IO),
            count => Ok(count as u64),
        }
    }

    fn write_now(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let mut done = 0;
        while done < bytes.len() {
            let (rest, at) = (&bytes[done..], address + done as u64);
            match retry_on_intr(|| pwrite(self.file.as_fd(), rest, at))? {
                0 => return Err(Errno::IO),
                count => done += count,
            }
        }
        Ok(())
    }

    /// Copies `bytes` to `address`.
    #[inline]
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) {
        let mut pending = self.pending.borrow_mut();
        if bytes.is_empty() || pending.take(address, bytes) {
            return;
        }
        self.write_out(&mut pending);
        if !pending.take(address, bytes) {
            let written = self.write_now(address, bytes);
            pending.failed = pending.failed.or(written.err());
        }
    }

    /// Copies the bytes at `address` to `to`; `None` where not all of them are there.
    pub(crate) fn read<'t>(
        &self,
        address: u64,
        to: &'t mut [MaybeUninit<u8>],
    ) -> Option<&'t mut [u8]> {
        self.write_out(&mut self.pending.borrow_mut());
        let mut done = 0;
        while done < to.len() {
            let (place, at) = (&mut to[done..], address + done as u64);
            match pread(self.file.as_fd(), place, at) {
                Ok(([], _)) => return None,
                Ok((read, _)) => done += read.len(),
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        // SAFETY: all of it has just been written.
        Some(unsafe { to.assume_init_mut() })
    }

    /// As [`RemoteMemory::read`], as far as there is something; how many bytes there were.
    pub(crate) fn read_some(&self, address: u64, to: &mut [u8]) -> usize {
        self.write_out(&mut self.pending.borrow_mut());
        retry_on_intr(|| pread(self.file.as_fd(), &mut *to, address)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU8;

    use super::*;

    /// This process's own memory serves as another's.
    fn own() -> RemoteMemory {
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open("/proc/self/mem");
        RemoteMemory::new(file.expect("this process's memory").into())
    }

    fn read(memory: &RemoteMemory, address: u64) -> [u8; 4] {
        let mut place = [MaybeUninit::uninit(); 4];
        let bytes = memory.read(address, &mut place).expect("it is there");
        bytes.try_into().expect("four bytes")
    }

    #[test]
    fn writes_are_seen_by_reads_in_their_order() {
        let bytes = [const { AtomicU8::new(0) }; 64];
        let address = bytes.as_ptr() as u64;
        let memory = own();
        memory.write(address, &[1, 2]);
        memory.write(address + 2, &[3, 4]);
        memory.write(address + 1, &[9]);
        assert_eq!(read(&memory, address), [1, 9, 3, 4]);
        memory.write(address + 40, &[5; 8]);
        memory.write(address, &[6; 4]);
        assert_eq!(read(&memory, address), [6; 4]);
        assert_eq!(read(&memory, address + 42), [5; 4]);
        assert_eq!(memory.flush(), Ok(()));
    }

    #[test]
    fn failed_write_is_told_once_by_flush() {
        let memory = own();
        memory.write(8, &[1]);
        assert_eq!(memory.flush(), Err(Errno::IO));
        assert_eq!(memory.flush(), Ok(()));
        let mut place = [MaybeUninit::uninit(); 4];
        assert!(memory.read(8, &mut place).is_none());
    }
}
