//! Bytes between guest memory and files or streams, by way of a buffer of the host's.
//!
//! Nothing here waits inside a read or a write: what is not there yet is waited for by the meter, which knows
//! when the call is over. A poll before the transfer would not do, since others may use the same pipe or
//! terminal and be faster. So each transfer is one that the kernel does not let wait, by the [means](crate::host::transfer_modes)
//! that the descriptor knows. Descriptors that others may share are not made non-blocking for that.

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv};

use crate::base::quietly::quietly;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::open::{Kind, Open};
use crate::host::request_error::RequestError;
use crate::limits::meter::Meter;

/// No more than this is moved at a time through what may be without end, so that the guest comes back.
const MOST: usize = 256 << 10;
/// What a pipe takes at once wherever it takes anything: Linux's PIPE_BUF. A longer write that may not wait
/// would need more room than `poll` tells of.
const PIPE_ROOM: usize = 4096;

/// What a transfer does that cannot be made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    UntilDeadline,
    /// Not at all: `EAGAIN`.
    Never,
}

/// The guest's memory where bytes come from or go to.
#[derive(Clone, Copy)]
pub(super) struct Buffer {
    pub(super) address: u64,
    pub(super) length: u64,
}

/// Reads what there is, at least one byte, or none at the end.
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

/// Writes as much as is taken, at least one byte.
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

/// As [`read`], of a socket; with `peek`, what the next read gives again.
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

/// As [`write`], of a socket.
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

/// Moves bytes as soon as that need not wait.
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
