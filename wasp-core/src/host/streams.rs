//! Moves bytes between guest memory and files or streams, through a buffer of the host.
//!
//! Nothing here blocks inside a read or a write. The meter waits for data that is not there yet, and knows when the
//! call is over. A poll before the transfer is not enough, because others may use the same pipe or terminal and be
//! faster. So each transfer is one that the kernel does not let block, in whichever of the
//! [modes](crate::host::transfer_modes) the descriptor supports. A descriptor that others may share is not made
//! non-blocking for that.

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv};

use crate::base::quietly::quietly;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::open::{Kind, Open};
use crate::host::request_error::RequestError;
use crate::limits::meter::Meter;

/// The most bytes moved at a time through something that may be endless, so that the guest gets control back.
const MOST: usize = 256 << 10;
/// The bytes that a pipe accepts at once if it accepts any: Linux's PIPE_BUF. A longer non-blocking write may need more
/// room than `poll` reports.
const PIPE_ROOM: usize = 4096;

/// What to do when a transfer cannot be made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    UntilDeadline,
    /// Not at all: `EAGAIN`.
    Never,
}

/// A range of guest memory that bytes come from or go to.
#[derive(Clone, Copy)]
pub(super) struct Buffer {
    pub(super) address: u64,
    pub(super) length: u64,
}

/// Reads the bytes that are available: at least one, or none at the end.
pub(super) fn read(
    open: &Open,
    memory: &mut (impl GuestSpace + ?Sized),
    buffer: Buffer,
    meter: &Meter,
) -> Result<u64, RequestError> {
    let Buffer { address, length } = buffer;
    match open.kind {
        Kind::Socket => receive(open, memory, buffer, false, Waiting::UntilDeadline, meter),
        Kind::File => memory.fill_in_pieces(address, length, meter, |_, place| {
            rustix::io::read(open.descriptor(), place)
        }),
        Kind::Stream => memory.fill_once(address, length, MOST, |place| {
            once(open, PollFlags::IN, Waiting::UntilDeadline, meter, || {
                quietly(|| open.means().read(open.descriptor(), place))
            })
        }),
    }
}

/// Writes as many bytes as are accepted, at least one.
pub(super) fn write(
    open: &Open,
    memory: &(impl GuestSpace + ?Sized),
    buffer: Buffer,
    meter: &Meter,
) -> Result<u64, RequestError> {
    let Buffer { address, length } = buffer;
    match open.kind {
        Kind::Socket => send(open, memory, buffer, Waiting::UntilDeadline, meter),
        Kind::File => memory.take_in_pieces(address, length, meter, |_, bytes| {
            quietly(|| rustix::io::write(open.descriptor(), bytes))
        }),
        Kind::Stream => memory.take_once(address, length, PIPE_ROOM, |bytes| {
            once(open, PollFlags::OUT, Waiting::UntilDeadline, meter, || {
                quietly(|| open.means().write(open.descriptor(), bytes))
            })
        }),
    }
}

/// Like [`read`], for a socket. With `peek`, the next read returns the same bytes again.
pub(super) fn receive(
    open: &Open,
    memory: &mut (impl GuestSpace + ?Sized),
    Buffer { address, length }: Buffer,
    peek: bool,
    waiting: Waiting,
    meter: &Meter,
) -> Result<u64, RequestError> {
    let mut flags = RecvFlags::DONTWAIT;
    flags.set(RecvFlags::PEEK, peek);
    memory.fill_once(address, length, MOST, |place| {
        once(open, PollFlags::IN, waiting, meter, || {
            recv(open.descriptor(), &mut *place, flags).map(|(count, _)| count)
        })
    })
}

/// Like [`write()`], for a socket.
pub(super) fn send(
    open: &Open,
    memory: &(impl GuestSpace + ?Sized),
    Buffer { address, length }: Buffer,
    waiting: Waiting,
    meter: &Meter,
) -> Result<u64, RequestError> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    memory.take_once(address, length, MOST, |bytes| {
        once(open, PollFlags::OUT, waiting, meter, || {
            rustix::net::send(open.descriptor(), bytes, flags)
        })
    })
}

/// Moves bytes once this does not block.
fn once(
    open: &Open,
    events: PollFlags,
    waiting: Waiting,
    meter: &Meter,
    mut transfer: impl FnMut() -> Result<usize, Errno>,
) -> Result<u64, RequestError> {
    loop {
        meter.check()?;
        match transfer() {
            Ok(count) => return Ok(count as u64),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if waiting == Waiting::UntilDeadline => {
                meter.wait(open.descriptor(), events)?;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}
