//! Bytes between guest memory and files or streams, each moved once and by the kernel.
//!
//! What may wait for somebody else waits no longer than the call may take. Descriptors are not made
//! non-blocking for that: others may share them.

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::deadline::Deadline;
use super::handles::{Kind, Open};
use super::refusal::Stop;

/// What a pipe takes at once wherever it takes anything: Linux's PIPE_BUF.
const PIPE_ROOM: usize = 4096;

/// Reads what there is, at least one byte, or none at the end.
pub(super) fn read(open: &Open, buffer: &mut [u8], deadline: Deadline) -> Result<u64, Stop> {
    transfer(open, PollFlags::IN, deadline, || match open.kind {
        Kind::Socket => {
            recv(open.descriptor(), &mut *buffer, RecvFlags::DONTWAIT).map(|(count, _)| count)
        }
        Kind::File | Kind::Stream => rustix::io::read(open.descriptor(), &mut *buffer),
    })
}

/// Writes as much as is taken, at least one byte.
pub(super) fn write(open: &Open, bytes: &[u8], deadline: Deadline) -> Result<u64, Stop> {
    transfer(open, PollFlags::OUT, deadline, || match open.kind {
        Kind::Socket => {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            send(open.descriptor(), bytes, flags)
        }
        Kind::File => rustix::io::write(open.descriptor(), bytes),
        Kind::Stream => {
            let room = bytes.len().min(PIPE_ROOM);
            rustix::io::write(open.descriptor(), bytes.get(..room).unwrap_or_default())
        }
    })
}

/// Moves bytes as soon as that need not wait.
fn transfer(
    open: &Open,
    events: PollFlags,
    deadline: Deadline,
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
            Err(Errno::AGAIN) => must_wait = true,
            Err(errno) => return Err(errno.into()),
        }
    }
}
