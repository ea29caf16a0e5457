//! Directory entries: creating, linking, moving and removing them, and setting their times.

use rustix::fs::{Timespec, Timestamps};
use rustix::io::Errno;

use crate::host::dispatch::Session;
use crate::host::guest_memory::Access as _;
use crate::linux::process::Process;
use crate::linux::syscalls::files::{HERE, Memory, NO_FOLLOW, number_of};
use crate::linux::system_call_error::SystemCallError;

const REMOVE_DIRECTORY: u64 = libc::AT_REMOVEDIR as u64;
const NO_REPLACE: u64 = libc::RENAME_NOREPLACE as u64;

impl Process {
    pub(super) fn for_entries(
        &self,
        number: i64,
        [first, second, third, fourth, fifth]: [u64; 5],
        session: &mut Session,
        memory: &Memory<'_>,
    ) -> Option<Result<u64, SystemCallError>> {
        Some(match number {
            libc::SYS_link => self.link(session, memory, [HERE, first, HERE, second, 0]),
            libc::SYS_linkat => self.link(session, memory, [first, second, third, fourth, fifth]),
            libc::SYS_rename => self.rename(session, memory, [HERE, first, HERE, second, 0]),
            libc::SYS_renameat => self.rename(session, memory, [first, second, third, fourth, 0]),
            libc::SYS_renameat2 => {
                self.rename(session, memory, [first, second, third, fourth, fifth])
            }
            libc::SYS_mkdir => self.make_directory(session, memory, [HERE, first, second]),
            libc::SYS_mkdirat => self.make_directory(session, memory, [first, second, third]),
            libc::SYS_rmdir => self.unlink(session, memory, [HERE, first, REMOVE_DIRECTORY]),
            libc::SYS_unlink => self.unlink(session, memory, [HERE, first, 0]),
            libc::SYS_unlinkat => self.unlink(session, memory, [first, second, third]),
            libc::SYS_utimensat => {
                let times = nanoseconds(memory, third);
                times.and_then(|times| self.stamp(session, memory, [first, second, fourth], &times))
            }
            libc::SYS_utimes => {
                let times = microseconds(memory, second);
                times.and_then(|times| self.stamp(session, memory, [HERE, first, 0], &times))
            }
            libc::SYS_futimesat => {
                let times = microseconds(memory, third);
                times.and_then(|times| self.stamp(session, memory, [first, second, 0], &times))
            }
            _ => return None,
        })
    }

    fn link(
        &self,
        session: &mut Session,
        memory: &Memory<'_>,
        [from, old, to, new, flags]: [u64; 5],
    ) -> Result<u64, SystemCallError> {
        if flags as u32 != 0 {
            return Err(SystemCallError::Refused(Errno::INVAL));
        }
        let old = self.path(session, memory, from, old)?;
        let new = self.path(session, memory, to, new)?;
        Ok(session.link_paths(&old, &new)?)
    }

    fn rename(
        &self,
        session: &mut Session,
        memory: &Memory<'_>,
        [from, old, to, new, flags]: [u64; 5],
    ) -> Result<u64, SystemCallError> {
        let flags = u64::from(flags as u32);
        if flags & !NO_REPLACE != 0 {
            return Err(SystemCallError::Refused(Errno::INVAL));
        }
        let old = self.path(session, memory, from, old)?;
        let new = self.path(session, memory, to, new)?;
        Ok(session.rename(&old, &new, flags == 0)?)
    }

    fn make_directory(
        &self,
        session: &mut Session,
        memory: &Memory<'_>,
        [directory, address, mode]: [u64; 3],
    ) -> Result<u64, SystemCallError> {
        let path = self.path(session, memory, directory, address)?;
        Ok(session.make_directory(&path, mode)?)
    }

    fn unlink(
        &self,
        session: &mut Session,
        memory: &Memory<'_>,
        [directory, address, flags]: [u64; 3],
    ) -> Result<u64, SystemCallError> {
        let flags = u64::from(flags as u32);
        if flags & !REMOVE_DIRECTORY != 0 {
            return Err(SystemCallError::Refused(Errno::INVAL));
        }
        let path = self.path(session, memory, directory, address)?;
        Ok(match flags {
            0 => session.remove(&path)?,
            _ => session.remove_directory(&path)?,
        })
    }

    /// Sets times. Without a path, those of the handle's file.
    fn stamp(
        &self,
        session: &mut Session,
        memory: &Memory<'_>,
        [directory, address, flags]: [u64; 3],
        times: &Timestamps,
    ) -> Result<u64, SystemCallError> {
        let flags = u64::from(flags as u32);
        if flags & !NO_FOLLOW != 0 {
            return Err(SystemCallError::Refused(Errno::INVAL));
        }
        if address == 0 {
            return Ok(session.stamp_handle(number_of(directory), times)?);
        }
        let path = self.path(session, memory, directory, address)?;
        Ok(session.stamp(&path, flags == 0, times)?)
    }
}

/// Two `struct timespec`: of the last access and the last change. Without an address, both are now.
fn nanoseconds(memory: &Memory<'_>, address: u64) -> Result<Timestamps, SystemCallError> {
    let [accessed, modified] = match address {
        0 => [[0, libc::UTIME_NOW]; 2],
        _ => pairs(memory, address)?,
    };
    Ok(stamps([accessed, modified]))
}

/// The same as two `struct timeval`.
fn microseconds(memory: &Memory<'_>, address: u64) -> Result<Timestamps, SystemCallError> {
    if address == 0 {
        return nanoseconds(memory, 0);
    }
    let times = pairs(memory, address)?;
    if !times.iter().all(|[_, part]| (0..1_000_000).contains(part)) {
        return Err(Errno::INVAL.into());
    }
    Ok(stamps(times.map(|[seconds, part]| [seconds, 1000 * part])))
}

fn pairs(memory: &Memory<'_>, address: u64) -> Result<[[i64; 2]; 2], SystemCallError> {
    let bytes = memory.array::<32>(address)?;
    let mut words = bytes.as_chunks::<8>().0.iter();
    let mut next = || words.next().map_or(0, |word| i64::from_le_bytes(*word));
    Ok([[next(), next()], [next(), next()]])
}

/// The kernel refuses values that are not valid times.
fn stamps(times: [[i64; 2]; 2]) -> Timestamps {
    let [last_access, last_modification] =
        times.map(|[tv_sec, tv_nsec]| Timespec { tv_sec, tv_nsec });
    Timestamps {
        last_access,
        last_modification,
    }
}
