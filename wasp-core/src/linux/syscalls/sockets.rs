//! Streams that the host has handed over, used with socket system calls.

use rustix::io::Errno;

use crate::host::dispatch::Session;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::streams::Waiting;
use crate::linux::process::Process;
use crate::linux::system_call_error::SystemCallError;

/// Hints, and flags about how a broken stream is reported. Here that is always `EPIPE`.
const IGNORED: i32 = libc::MSG_NOSIGNAL | libc::MSG_MORE | libc::MSG_CMSG_CLOEXEC;

impl Process {
    pub(super) fn for_sockets(
        number: i64,
        [handle, second, third, fourth, fifth, sixth]: [u64; 6],
        session: &mut Session,
        memory: &mut (dyn GuestSpace + '_),
    ) -> Option<Result<u64, SystemCallError>> {
        // Handles, options and the like are `int`s.
        let handle = u64::from(handle as u32);
        Some(match number {
            libc::SYS_recvfrom => receive(
                session,
                memory,
                handle,
                [second, third, fourth, fifth, sixth],
            ),
            libc::SYS_sendto => send(session, memory, handle, [second, third, fourth, fifth]),
            libc::SYS_shutdown => session.shut_down(handle, second as u32).map_err(Into::into),
            libc::SYS_setsockopt => set_option(
                session,
                memory,
                handle,
                [second as i32, third as i32],
                [fourth, fifth],
            ),
            _ => return None,
        })
    }
}

fn receive(
    session: &mut Session,
    memory: &mut (dyn GuestSpace + '_),
    handle: u64,
    [buffer, length, flags, sender, sender_length]: [u64; 5],
) -> Result<u64, SystemCallError> {
    let flags = flags as i32 & !IGNORED;
    if flags & !(libc::MSG_PEEK | libc::MSG_DONTWAIT) != 0 {
        return Err(Errno::INVAL.into());
    }
    let peek = flags & libc::MSG_PEEK != 0;
    let count = session.receive(memory, handle, [buffer, length], peek, waiting(flags))?;
    // As in Linux for a stream: the sender is known, and not reported again.
    if sender != 0 {
        memory.put(sender_length, &0_u32.to_le_bytes())?;
    }
    Ok(count)
}

fn send(
    session: &mut Session,
    memory: &mut (dyn GuestSpace + '_),
    handle: u64,
    [address, length, flags, receiver]: [u64; 4],
) -> Result<u64, SystemCallError> {
    let flags = flags as i32 & !IGNORED;
    if flags & !libc::MSG_DONTWAIT != 0 {
        return Err(Errno::INVAL.into());
    }
    if receiver != 0 {
        return Err(Errno::ISCONN.into());
    }
    Ok(session.send(memory, handle, [address, length], waiting(flags))?)
}

const fn waiting(flags: i32) -> Waiting {
    match flags & libc::MSG_DONTWAIT {
        0 => Waiting::UntilDeadline,
        _ => Waiting::Never,
    }
}

/// Sets `TCP_NODELAY` only, which belongs to the connection and is just a hint. Options that change how the host itself
/// waits are refused.
fn set_option(
    session: &mut Session,
    memory: &(dyn GuestSpace + '_),
    handle: u64,
    option: [i32; 2],
    [address, length]: [u64; 2],
) -> Result<u64, SystemCallError> {
    if option != [libc::IPPROTO_TCP, libc::TCP_NODELAY] {
        return Err(SystemCallError::Refused(Errno::NOPROTOOPT));
    }
    if length != 4 {
        return Err(Errno::INVAL.into());
    }
    let on = memory.bytes(address, length)?.iter().any(|byte| *byte != 0);
    Ok(session.set_no_delay(handle, on)?)
}
