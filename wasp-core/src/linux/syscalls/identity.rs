//! System calls with which a program queries itself and its system, and registers with it.

use rustix::io::Errno;

use crate::host::dispatch::Session;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::linux::process::Process;
use crate::linux::system_call_error::SystemCallError;

/// The only process, and its only thread.
const SELF: u64 = 1;
/// An unprivileged user.
pub(crate) const USER: u64 = 65_534;
/// Bytes of each of the six strings of `struct utsname`.
const NAME: usize = 65;
const INFINITY: u64 = u64::MAX;
impl Process {
    pub(super) fn for_identity(
        &self,
        number: i64,
        [first, second, third, fourth, _, _]: [u64; 6],
        session: &mut Session,
        memory: &mut (dyn GuestSpace + '_),
    ) -> Option<Result<u64, SystemCallError>> {
        Some(match number {
            libc::SYS_getpid | libc::SYS_gettid | libc::SYS_set_tid_address => Ok(SELF),
            libc::SYS_getpgrp | libc::SYS_getsid | libc::SYS_getpgid => Ok(SELF),
            libc::SYS_getppid => Ok(0),
            libc::SYS_getuid | libc::SYS_geteuid | libc::SYS_getgid | libc::SYS_getegid => Ok(USER),
            libc::SYS_getgroups => Ok(0),
            // Setting the current identity changes nothing.
            libc::SYS_setuid | libc::SYS_setgid if first == USER => Ok(0),
            libc::SYS_setuid | libc::SYS_setgid => Err(SystemCallError::Refused(Errno::PERM)),
            libc::SYS_set_robust_list => Ok(0),
            libc::SYS_rseq => rseq(memory, first, second),
            libc::SYS_uname => uname(memory, first),
            libc::SYS_prlimit64 => self.limits(memory, second, [third, fourth]),
            libc::SYS_getrlimit => self.limits(memory, first, [0, second]),
            libc::SYS_sched_getaffinity => affinity(memory, second, third),
            libc::SYS_getcpu => processor(memory, first, second),
            libc::SYS_prctl => prctl(first),
            libc::SYS_getrandom => self.random(session, memory, [first, second, third]),
            _ => return None,
        })
    }

    /// Requests for predictable bytes (GRND_INSECURE, for hash-map seeds) get the seed if random bytes are not granted.
    fn random(
        &self,
        session: &mut Session,
        memory: &mut (dyn GuestSpace + '_),
        [address, length, flags]: [u64; 3],
    ) -> Result<u64, SystemCallError> {
        let insecure = flags & libc::GRND_INSECURE as u64 != 0;
        if insecure && !session.may_be_random() {
            let bytes = self.seed.get(..length as usize).unwrap_or(&self.seed);
            memory.put(address, bytes)?;
            return Ok(bytes.len() as u64);
        }
        Ok(session.randomness(memory, address, length)?)
    }

    /// Returns a limit. Setting one is not permitted.
    fn limits(
        &self,
        memory: &mut (dyn GuestSpace + '_),
        resource: u64,
        [new, old]: [u64; 2],
    ) -> Result<u64, SystemCallError> {
        if new != 0 {
            return Err(SystemCallError::Refused(Errno::PERM));
        }
        let limit = match resource as u32 {
            libc::RLIMIT_STACK => self.stack,
            libc::RLIMIT_AS | libc::RLIMIT_DATA => self.memory,
            libc::RLIMIT_CORE | libc::RLIMIT_NPROC => 0,
            _ => INFINITY,
        };
        if old != 0 {
            let bytes = [limit.to_le_bytes(), limit.to_le_bytes()].concat();
            memory.put(old, &bytes)?;
        }
        Ok(0)
    }
}

/// There is one CPU, and nothing preempts the program. So the answer to a restartable sequence never changes
/// (linux/rseq.h: `cpu_id_start`, `cpu_id`).
fn rseq(
    memory: &mut (dyn GuestSpace + '_),
    address: u64,
    length: u64,
) -> Result<u64, SystemCallError> {
    if length < 32 {
        return Err(Errno::INVAL.into());
    }
    memory.put(address, &[0; 8])?;
    Ok(0)
}

fn uname(memory: &mut (dyn GuestSpace + '_), address: u64) -> Result<u64, SystemCallError> {
    let texts = ["Linux", "virtine", "6.1.0", "#1", "x86_64", "(none)"];
    let mut bytes = vec![0; NAME * texts.len()];
    for (place, text) in bytes.chunks_mut(NAME).zip(texts) {
        if let Some(place) = place.get_mut(..text.len()) {
            place.copy_from_slice(text.as_bytes());
        }
    }
    memory.put(address, &bytes)?;
    Ok(0)
}

fn affinity(
    memory: &mut (dyn GuestSpace + '_),
    length: u64,
    address: u64,
) -> Result<u64, SystemCallError> {
    if length < 8 {
        return Err(Errno::INVAL.into());
    }
    memory.put(address, &1_u64.to_le_bytes())?;
    Ok(8)
}

fn processor(
    memory: &mut (dyn GuestSpace + '_),
    processor: u64,
    node: u64,
) -> Result<u64, SystemCallError> {
    for address in [processor, node] {
        if address != 0 {
            memory.put(address, &[0; 4])?;
        }
    }
    Ok(0)
}

fn prctl(option: u64) -> Result<u64, SystemCallError> {
    match option as i32 {
        // A name only matters to outside observers.
        libc::PR_SET_NAME => Ok(0),
        _ => Err(Errno::INVAL.into()),
    }
}
