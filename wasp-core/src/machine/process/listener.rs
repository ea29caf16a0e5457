//! What the kernel tells of a child's system calls, and how they are answered (seccomp_unotify(2)).

use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// `_IOWR('!', 0, struct seccomp_notif)`.
const RECEIVE: libc::Ioctl = 0xc050_2100_u32 as libc::Ioctl;
/// `_IOWR('!', 1, struct seccomp_notif_resp)`.
const SEND: libc::Ioctl = 0xc018_2101_u32 as libc::Ioctl;
/// `_IOW('!', 4, __u64)`, since Linux 6.6.
const SET_FLAGS: libc::Ioctl = 0x4008_2104_u32 as libc::Ioctl;

/// Lets the call go on in the kernel.
const CONTINUE: u32 = 1;
/// Wakes the other side on this processor.
const SYNC_WAKE_UP: u64 = 1;

/// A system call that waits for its answer: `struct seccomp_notif`. All of it is the kernel's word.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notification {
    pub(super) id: u64,
    pub(super) pid: u32,
    flags: u32,
    pub(super) number: i32,
    pub(super) architecture: u32,
    pub(super) instruction_pointer: u64,
    pub(super) arguments: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// Why no notification came.
#[derive(Debug)]
pub(super) enum Missed {
    /// The child is gone.
    Gone,
    /// A signal came in for this thread.
    Interrupted,
    /// The kernel refused.
    Refused(Errno),
}

/// The listener of one child.
pub(super) struct Listener {
    file: OwnedFd,
    /// Asks by `poll` first: where the kernel does not say in [`RECEIVE`] that a child is gone, or where signals are to
    /// end it that would restart [`RECEIVE`].
    polls: bool,
    tells_gone: bool,
}

impl Listener {
    /// `polls` asks by `poll` first, as has to be done where the kernel does not say in [`RECEIVE`] that a child is gone,
    /// which `tells_gone` says.
    pub(super) fn new(file: OwnedFd, polls: bool, tells_gone: bool) -> Self {
        let flags = SYNC_WAKE_UP;
        // SAFETY: an ioctl that takes its argument by value. Older kernels refuse it, and nothing depends on it.
        unsafe { libc::ioctl(file.as_raw_fd(), SET_FLAGS, flags) };
        Self {
            file,
            polls: polls || !tells_gone,
            tells_gone,
        }
    }

    /// Waits for the child's next system call.
    #[inline]
    pub(super) fn receive(&self) -> Result<Notification, Missed> {
        if self.polls {
            self.wait(None)?;
        }
        loop {
            match self.receive_now() {
                Ok(notification) => return Ok(notification),
                Err(Errno::INTR) => return Err(Missed::Interrupted),
                // The child is gone, or a signal has called it back from its call just as the host was to hear of it.
                Err(Errno::NOENT) => self.wait(match self.tells_gone {
                    true => Some(Timespec::default()),
                    false => None,
                })?,
                Err(errno) => return Err(Missed::Refused(errno)),
            }
        }
    }

    #[inline]
    fn receive_now(&self) -> Result<Notification, Errno> {
        let mut notification = MaybeUninit::<Notification>::zeroed();
        let place = notification.as_mut_ptr();
        // SAFETY: the kernel writes at most the struct's 80 bytes, which the number of the ioctl says.
        match unsafe { libc::ioctl(self.file.as_raw_fd(), RECEIVE, place) } {
            // SAFETY: all-zero was a valid value already, and the kernel has overwritten it with integers.
            0 => Ok(unsafe { notification.assume_init() }),
            _ => Err(last_errno()),
        }
    }

    /// Waits until the child makes a system call, at most for so long, or is gone.
    fn wait(&self, limit: Option<Timespec>) -> Result<(), Missed> {
        let mut files = [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::IN)];
        match poll(&mut files, limit.as_ref()) {
            Ok(_) if files[0].revents().contains(PollFlags::IN) => Ok(()),
            Ok(_) if files[0].revents().contains(PollFlags::HUP) => Err(Missed::Gone),
            Ok(_) => Ok(()),
            Err(Errno::INTR) => Err(Missed::Interrupted),
            Err(errno) => Err(Missed::Refused(errno)),
        }
    }

    /// Answers the call: the child goes on with `value`.
    #[inline]
    pub(super) fn answer(&self, id: u64, value: u64) -> Result<(), Errno> {
        self.send(&Response {
            id,
            value: value.cast_signed(),
            error: 0,
            flags: 0,
        })
    }

    /// Has the kernel make the call after all.
    pub(super) fn let_go_on(&self, id: u64) -> Result<(), Errno> {
        self.send(&Response {
            id,
            value: 0,
            error: 0,
            flags: CONTINUE,
        })
    }

    #[inline]
    fn send(&self, response: &Response) -> Result<(), Errno> {
        // SAFETY: the kernel reads the struct's 24 bytes, which the number of the ioctl says.
        match unsafe { libc::ioctl(self.file.as_raw_fd(), SEND, &raw const *response) } {
            0 => Ok(()),
            _ => Err(last_errno()),
        }
    }
}

fn last_errno() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
