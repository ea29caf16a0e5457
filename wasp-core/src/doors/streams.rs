//! Bytes between guest memory and files or streams, each moved once and by the kernel.
//!
//! What may wait for somebody else waits no longer than the call may take. Descriptors are not made
//! non-blocking for that: others may share them.

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv};

use super::deadline::Deadline;
use super::handles::{Kind, Open};
use super::refusal::Stop;

/// What a pipe takes at once wherever it takes anything: Linux's PIPE_BUF.
const PIPE_ROOM: usize = 4096;

/// What a transfer does that cannot be made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    UntilDeadline,
    /// Not at all: `EAGAIN`.
    Never,
}

/// Reads what there is, at least one byte, or none at the end.
pub(super) fn read(open: &Open, buffer: &mut [u8], deadline: &Deadline) -> Result<u64, Stop> {
    if open.kind == Kind::Socket {
        return receive(open, buffer, false, Waiting::UntilDeadline, deadline);
    }
    transfer(
        open,
        PollFlags::IN,
        Waiting::UntilDeadline,
        deadline,
        || rustix::io::read(open.descriptor(), &mut *buffer),
    )
}

/// Writes as much as is taken, at least one byte.
pub(super) fn write(open: &Open, bytes: &[u8], deadline: &Deadline) -> Result<u64, Stop> {
    if open.kind == Kind::Socket {
        return send(open, bytes, Waiting::UntilDeadline, deadline);
    }
    let room = match open.kind {
        Kind::Stream => bytes.len().min(PIPE_ROOM),
        Kind::File | Kind::Socket => bytes.len(),
    };
    let bytes = bytes.get(..room).unwrap_or_default();
    transfer(
        open,
        PollFlags::OUT,
        Waiting::UntilDeadline,
        deadline,
        || rustix::io::write(open.descriptor(), bytes),
    )
}

/// As [`read`], of a socket; with `peek`, what the next read gives again.
pub(super) fn receive(
    open: &Open,
    buffer: &mut [u8],
    peek: bool,
    waiting: Waiting,
    deadline: &Deadline,
) -> Result<u64, Stop> {
    let mut flags = RecvFlags::DONTWAIT;
    flags.set(RecvFlags::PEEK, peek);
    transfer(open, PollFlags::IN, waiting, deadline, || {
        recv(open.descriptor(), &mut *buffer, flags).map(|(count, _)| count)
    })
}

/// As [`write`], of a socket.
pub(super) fn send(
    open: &Open,
    bytes: &[u8],
    waiting: Waiting,
    deadline: &Deadline,
) -> Result<u64, Stop> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    transfer(open, PollFlags::OUT, waiting, deadline, || {
        rustix::net::send(open.descriptor(), bytes, flags)
    })
}

/// Moves bytes as soon as that need not wait.
fn transfer(
    open: &Open,
    events: PollFlags,
    waiting: Waiting,
    deadline: &Deadline,
    mut once: impl FnMut() -> Result<usize, Errno>,
) -> Result<u64, Stop> {
    let mut must_wait = open.kind == Kind::Stream;
    loop {
        if must_wait {
            deadline.wait(open.descriptor(), events)?;
        }
        match once() {
            Ok(count) => return Ok(count as u64),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if waiting == Waiting::UntilDeadline => must_wait = true,
            Err(errno) => return Err(errno.into()),
        }
    }
}
