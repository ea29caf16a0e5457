//! How a transfer avoids blocking, for descriptors that are neither files nor sockets: pipes, terminals, devices.

use std::ffi::CString;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2, read, write};

/// The offset with which `preadv2` and `pwritev2` use the descriptor's position.
const HERE: u64 = u64::MAX;

/// The modes that one descriptor supports, found out at its first transfer in each direction.
#[derive(Debug, Default)]
pub(super) struct TransferModes {
    /// The descriptor itself does not block, and nobody else has it.
    private: bool,
    /// Our own descriptions of the same pipe or terminal, which do not block (O_NONBLOCK). They are for kernels that
    /// cannot make a single transfer non-blocking (RWF_NOWAIT: pipes have it since Linux 6.5, terminals do not).
    reading: OnceLock<OwnedFd>,
    writing: OnceLock<OwnedFd>,
}

impl TransferModes {
    /// The modes of a descriptor that was opened for the guest alone, with O_NONBLOCK.
    pub(super) fn private() -> Self {
        Self {
            private: true,
            ..Self::default()
        }
    }

    /// Reads without blocking.
    pub(super) fn read(
        &self,
        descriptor: BorrowedFd<'_>,
        place: &mut [u8],
    ) -> Result<usize, Errno> {
        if self.private {
            return read(descriptor, place);
        }
        if let Some(own) = self.reading.get() {
            return read(own, place);
        }
        let mut places = [IoSliceMut::new(place)];
        match preadv2(descriptor, &mut places, HERE, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP) => match reopened(descriptor, OFlags::RDONLY) {
                Ok(own) => read(self.reading.get_or_init(|| own), place),
                Err(_) => for_the_time_of(descriptor, || read(descriptor, place)),
            },
            result => result,
        }
    }

    /// Writes without blocking.
    pub(super) fn write(&self, descriptor: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
        if self.private {
            return write(descriptor, bytes);
        }
        if let Some(own) = self.writing.get() {
            return write(own, bytes);
        }
        let slices = [IoSlice::new(bytes)];
        match pwritev2(descriptor, &slices, HERE, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP) => match reopened(descriptor, OFlags::WRONLY) {
                Ok(own) => write(self.writing.get_or_init(|| own), bytes),
                Err(_) => for_the_time_of(descriptor, || write(descriptor, bytes)),
            },
            result => result,
        }
    }
}

/// Makes the descriptor non-blocking during `transfer`. This is the last resort, for a terminal that belongs to another
/// user and cannot be reopened, or the master of a pseudo-terminal. Other users of the same description may get EAGAIN
/// at that moment. Only one transfer runs at a time, so that no other thread of ours clears the flag too early.
fn for_the_time_of<T>(
    descriptor: BorrowedFd<'_>,
    transfer: impl FnOnce() -> Result<T, Errno>,
) -> Result<T, Errno> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let flags = fcntl_getfl(descriptor)?;
    fcntl_setfl(descriptor, flags | OFlags::NONBLOCK)?;
    let result = transfer();
    fcntl_setfl(descriptor, flags)?;
    result
}

/// Reopens the same pipe or terminal with O_NONBLOCK, which then affects no one else.
fn reopened(descriptor: BorrowedFd<'_>, access: OFlags) -> Result<OwnedFd, Errno> {
    // The second description gets no access that the descriptor itself lacks.
    let given = fcntl_getfl(descriptor)? & OFlags::ACCMODE;
    if given != OFlags::RDWR && given != access {
        return Err(Errno::BADF);
    }
    let path = CString::new(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
        .map_err(|_| Errno::INVAL)?;
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let own = open(&path, flags, Mode::empty()).map_err(|_| Errno::OPNOTSUPP)?;
    match is_same(descriptor, own.as_fd())? {
        true => Ok(own),
        // Opening the master of pseudo-terminals gives another one.
        false => Err(Errno::OPNOTSUPP),
    }
}

fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Result<bool, Errno> {
    let master = rustix::fs::makedev(5, 2);
    let [one, other] = [rustix::fs::fstat(one)?, rustix::fs::fstat(other)?];
    let identity = |stat: &rustix::fs::Stat| (stat.st_dev, stat.st_ino, stat.st_rdev);
    Ok(identity(&one) == identity(&other) && one.st_rdev != master)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io;

    use super::*;

    #[test]
    fn pipes_are_not_waited_for_in_either_direction() {
        let (reader, writer) = io::pipe().expect("a pipe");
        let means = TransferModes::default();
        assert_eq!(means.read(reader.as_fd(), &mut [0; 4]), Err(Errno::AGAIN));
        while means.write(writer.as_fd(), &[1; 4096]).is_ok() {}
        assert_eq!(means.write(writer.as_fd(), &[1; 4096]), Err(Errno::AGAIN));
        assert_eq!(means.read(reader.as_fd(), &mut [0; 4]), Ok(4));
        let flags = fcntl_getfl(&reader).expect("flags");
        assert!(!flags.contains(OFlags::NONBLOCK), "it is shared");
    }

    #[test]
    fn pipes_that_do_not_know_the_flag_are_opened_once_more() {
        let (reader, writer) = io::pipe().expect("a pipe");
        let own = reopened(reader.as_fd(), OFlags::RDONLY).expect("the same pipe");
        let means = TransferModes {
            reading: own.into(),
            ..TransferModes::default()
        };
        assert_eq!(means.read(reader.as_fd(), &mut [0; 4]), Err(Errno::AGAIN));
        rustix::io::write(&writer, b"abcd").expect("room");
        assert_eq!(means.read(reader.as_fd(), &mut [0; 4]), Ok(4));
        let other_end = reopened(reader.as_fd(), OFlags::WRONLY).err();
        assert_eq!(other_end, Some(Errno::BADF), "this end is only read");
    }

    #[test]
    fn master_of_a_terminal_is_not_taken_for_another_one() {
        let master = File::options().read(true).write(true).open("/dev/ptmx");
        let Ok(master) = master else {
            eprintln!("NOT TESTED HERE: no terminals on this machine");
            return;
        };
        let other = reopened(master.as_fd(), OFlags::WRONLY).err();
        assert_eq!(other, Some(Errno::OPNOTSUPP));
        let means = TransferModes::default();
        // The kernel makes room again on its own thread, so the next write may succeed.
        let refusal = loop {
            if let Err(errno) = means.write(master.as_fd(), &[b'x'; 1000]) {
                break errno;
            }
        };
        assert_eq!(refusal, Errno::AGAIN, "it was full");
        let flags = fcntl_getfl(&master).expect("flags");
        assert!(!flags.contains(OFlags::NONBLOCK), "it is shared");
    }
}
