//! Bytes between guest memory and files or streams, each moved once and by the kernel.
//!
//! Nothing here waits inside a read or a write: what is not there yet is waited for by the meter, which knows
//! when the call is over. A poll before the transfer would not do, since others may use the same pipe or
//! terminal and be faster. So each transfer is one that the kernel does not let wait, by the [means](super::means)
//! that the descriptor knows. Descriptors that others may share are not made non-blocking for that.

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv};

use super::handles::{Kind, Open};
use super::refusal::Stop;
use crate::meter::Meter;
use crate::quietly::quietly;

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

/// Reads what there is, at least one byte, or none at the end.
pub(super) fn read(open: &Open, buffer: &mut [u8], meter: &Meter) -> Result<u64, Stop> {
    match open.kind {
        Kind::Socket => receive(open, buffer, false, Waiting::UntilDeadline, meter),
        Kind::File => in_pieces(buffer.len(), meter, |done, piece| {
            let place = buffer.get_mut(done..done + piece).unwrap_or_default();
            rustix::io::read(open.descriptor(), place)
        }),
        Kind::Stream => {
            let room = buffer.len().min(MOST);
            let place = buffer.get_mut(..room).unwrap_or_default();
            once(open, PollFlags::IN, Waiting::UntilDeadline, meter, || {
                quietly(|| open.means().read(open.descriptor(), place))
            })
        }
    }
}

/// Writes as much as is taken, at least one byte.
pub(super) fn write(open: &Open, bytes: &[u8], meter: &Meter) -> Result<u64, Stop> {
    match open.kind {
        Kind::Socket => send(open, bytes, Waiting::UntilDeadline, meter),
        Kind::File => in_pieces(bytes.len(), meter, |done, piece| {
            let piece = bytes.get(done..done + piece).unwrap_or_default();
            quietly(|| rustix::io::write(open.descriptor(), piece))
        }),
        Kind::Stream => {
            let bytes = bytes.get(..bytes.len().min(PIPE_ROOM)).unwrap_or_default();
            once(open, PollFlags::OUT, Waiting::UntilDeadline, meter, || {
                quietly(|| open.means().write(open.descriptor(), bytes))
            })
        }
    }
}

/// As [`read`], of a socket; with `peek`, what the next read gives again.
pub(super) fn receive(
    open: &Open,
    buffer: &mut [u8],
    peek: bool,
    waiting: Waiting,
    meter: &Meter,
) -> Result<u64, Stop> {
    let mut flags = RecvFlags::DONTWAIT;
    flags.set(RecvFlags::PEEK, peek);
    let room = buffer.len().min(MOST);
    let place = buffer.get_mut(..room).unwrap_or_default();
    once(open, PollFlags::IN, waiting, meter, || {
        recv(open.descriptor(), &mut *place, flags).map(|(count, _)| count)
    })
}

/// As [`write`], of a socket.
pub(super) fn send(
    open: &Open,
    bytes: &[u8],
    waiting: Waiting,
    meter: &Meter,
) -> Result<u64, Stop> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let bytes = bytes.get(..bytes.len().min(MOST)).unwrap_or_default();
    once(open, PollFlags::OUT, waiting, meter, || {
        rustix::net::send(open.descriptor(), bytes, flags)
    })
}

/// Moves bytes as soon as that need not wait.
fn once(
    open: &Open,
    events: PollFlags,
    waiting: Waiting,
    meter: &Meter,
    mut transfer: impl FnMut() -> Result<usize, Errno>,
) -> Result<u64, Stop> {
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

/// Moves up to `length` bytes of a file, a piece at a time, until one is not moved whole. `transfer` is told
/// how many have been moved and how many are to be.
pub(super) fn in_pieces(
    length: usize,
    meter: &Meter,
    mut transfer: impl FnMut(usize, usize) -> Result<usize, Errno>,
) -> Result<u64, Stop> {
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
            Err(Errno::INTR) => {}
            // As Linux: what was moved before is told, and the error next time.
            Err(_) if done > 0 => return Ok(done as u64),
            Err(errno) => return Err(errno.into()),
        }
    }
}
