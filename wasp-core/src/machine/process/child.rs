//! A process that holds one guest: how it is made, how it is asked to run, and how it ends.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::ftruncate;
use rustix::io::{Errno, IoSliceMut, pread, retry_on_intr};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Signal, pidfd_send_signal};

use crate::Error;
use crate::base::exit::Fault;
use crate::base::fork;
use crate::limits::watchdog::interrupt_process;
use crate::machine::process::assembly::{ASKED, CALLED, DOOR_CALL};
use crate::machine::process::control::Control;
use crate::machine::process::dirty::PageMap;
use crate::machine::process::layout::{CONTROL_SIZE, DOOR, SCRIPT_OFFSET};
use crate::machine::process::listener::{Listener, Missed, Notification};
use crate::machine::process::script::{SENT, Script};
use crate::machine::process::support::Support;
use crate::machine::process::zygote;
use crate::memory::image_file::write_all;

/// A process that holds one guest.
pub(super) struct Child {
    /// Its folder in /proc, which serves as its pidfd.
    process: OwnedFd,
    pub(super) page_map: PageMap,
    pub(super) listener: Listener,
    pub(super) control: Control,
}

/// Where a child was when it made a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// At the door: a guest has stopped, or has jumped there.
    Door,
    /// A call that the host has asked for.
    Asked,
    /// In the guest's own code.
    Guest,
}

impl Site {
    #[inline]
    pub(super) fn of(notification: &Notification) -> Self {
        let at = notification.instruction_pointer.wrapping_sub(DOOR);
        if at == ASKED as u64 && notification.number == DOOR_CALL {
            Self::Door
        } else if at == CALLED as u64 {
            Self::Asked
        } else {
            Self::Guest
        }
    }
}

fn gone() -> Error {
    Error::Fault(Fault::ProcessGone)
}

impl Child {
    /// Makes a process that runs `script` over the memory in `image`. `tells_signals` has every signal for the thread
    /// that waits end its waiting, also those whose handlers restart system calls. Returns the process, a descriptor of its memory, and the
    /// number of its first question at the door.
    pub(super) fn new(
        script: &Script,
        image: BorrowedFd<'_>,
        support: &Support,
        tells_signals: bool,
    ) -> Result<(Self, OwnedFd, u64), Error> {
        match Self::once(script, image, support, tells_signals) {
            // Somebody has killed the zygote or the child meanwhile; the next zygote makes another.
            Err(Error::Fault(Fault::ProcessGone)) => {
                Self::once(script, image, support, tells_signals)
            }
            made => made,
        }
    }

    fn once(
        script: &Script,
        image: BorrowedFd<'_>,
        support: &Support,
        tells_signals: bool,
    ) -> Result<(Self, OwnedFd, u64), Error> {
        let (control, file) = Control::create()?;
        for (offset, bytes) in script.contents() {
            write_all(file.as_fd(), bytes, SCRIPT_OFFSET + offset)
                .map_err(|errno| Error::system("write of a child's script")(errno.into()))?;
        }
        let reply = zygote::request(file.as_fd(), image, support)?;
        let [process, page_map, memory, listener] = match receive(reply.as_fd())? {
            Reply::Ready(descriptors) => descriptors,
            Reply::NoChild(errno) => {
                return Err(Error::system("clone of the zygote")(errno.into()));
            }
            Reply::Failed => return Err(failure(script, &file)),
        };
        let child = Self {
            process,
            page_map: PageMap::new(page_map, support.scans),
            listener: Listener::new(listener, tells_signals, support.tells_gone),
            control,
        };
        let id = child.leave_loader()?;
        // The script is not needed any more.
        let shortened = retry_on_intr(|| ftruncate(&file, CONTROL_SIZE));
        shortened.map_err(|errno| Error::system("ftruncate of a control file")(errno.into()))?;
        Ok((child, memory, id))
    }

    /// Lets the loader's last call through, which the door makes for it: its own unmapping.
    fn leave_loader(&self) -> Result<u64, Error> {
        let last = self.next()?.ok_or_else(gone)?;
        let expected = i64::from(last.number) == libc::SYS_munmap;
        if !expected || self.listener.let_go_on(last.id).is_err() {
            return Err(gone());
        }
        let ready = self.next()?.ok_or_else(gone)?;
        match Site::of(&ready) {
            Site::Door => Ok(ready.id),
            Site::Asked | Site::Guest => Err(gone()),
        }
    }

    /// The next system call, through all signals that come in for this thread; `None` if the child is gone.
    pub(super) fn next(&self) -> Result<Option<Notification>, Error> {
        loop {
            match self.listener.receive() {
                Ok(notification) => return Ok(Some(notification)),
                Err(Missed::Interrupted) => {}
                Err(Missed::Gone) => return Ok(None),
                Err(Missed::Refused(errno)) => {
                    return Err(Error::system("SECCOMP_IOCTL_NOTIF_RECV")(errno.into()));
                }
            }
        }
    }

    /// Has a guest that runs stop at the door.
    pub(super) fn interrupt(&self) {
        interrupt_process(self.process.as_fd(), zygote::end);
    }

    /// The descriptor by which the watchdog does the same.
    pub(super) fn process(&self) -> RawFd {
        self.process.as_raw_fd()
    }
}

impl Drop for Child {
    /// Kills before the listener is closed. Where this program may not do that any more, the door does it to itself,
    /// as soon as nobody listens.
    fn drop(&mut self) {
        if !fork::is_child() {
            let _ = pidfd_send_signal(&self.process, Signal::KILL);
        }
    }
}

/// What comes back for a request.
enum Reply {
    Ready([OwnedFd; SENT]),
    /// The zygote could not clone itself.
    NoChild(Errno),
    /// The child has ended before it was ready.
    Failed,
}

fn receive(socket: BorrowedFd<'_>) -> Result<Reply, Error> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SENT))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 8];
    let mut vector = [IoSliceMut::new(&mut bytes)];
    let message =
        retry_on_intr(|| recvmsg(socket, &mut vector, &mut control, RecvFlags::CMSG_CLOEXEC));
    let message = match message {
        Ok(message) => message,
        Err(Errno::CONNRESET) => return Ok(Reply::Failed),
        Err(errno) => return Err(Error::system("recvmsg from the zygote")(errno.into())),
    };
    let descriptors: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if let Ok(descriptors) = descriptors.try_into() {
        return Ok(Reply::Ready(descriptors));
    }
    Ok(match message.bytes {
        8 => {
            let errno = i32::try_from(-i64::from_le_bytes(bytes)).unwrap_or(libc::EIO);
            Reply::NoChild(Errno::from_raw_os_error(errno))
        }
        // Fewer descriptors than were sent: this process may have no more.
        1 => Reply::NoChild(Errno::MFILE),
        _ => Reply::Failed,
    })
}

/// Why a child came to no good: the call that failed, as it stands in the script.
fn failure(script: &Script, file: &OwnedFd) -> Error {
    let mut list = vec![0; script.list_length()];
    let read = retry_on_intr(|| pread(file, &mut list[..], SCRIPT_OFFSET));
    match read.ok().and_then(|_| script.failure(&list)) {
        Some((operation, errno)) => refused(operation, errno),
        None => gone(),
    }
}

fn refused(operation: &'static str, errno: Errno) -> Error {
    let cause = match (operation, errno) {
        ("seccomp(SECCOMP_SET_MODE_FILTER)", Errno::BUSY) => {
            "this container has a seccomp listener of its own, and a process can have but one"
        }
        ("seccomp(SECCOMP_SET_MODE_FILTER)", Errno::INVAL | Errno::NOSYS) => {
            "this kernel, or the sandbox that stands in for one (gVisor), has no seccomp listener"
        }
        ("munmap", Errno::PERM) => "this kernel seals the vDSO (CONFIG_MSEAL_SYSTEM_MAPPINGS)",
        ("open of /proc/self" | "open of /proc/self/pagemap" | "open of /proc/self/mem", _) => {
            "/proc is not mounted, or not to be read"
        }
        _ => return Error::system(operation)(errno.into()),
    };
    Error::ProcessBackend {
        reason: format!("{cause} ({operation}: {})", std::io::Error::from(errno)),
    }
}
