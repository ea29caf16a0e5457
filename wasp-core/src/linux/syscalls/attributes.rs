//! Modes and owners of files. The host chooses them. A program may only set them to what they already are, as programs
//! do that copy files with their attributes.

use rustix::io::Errno;

use crate::host::dispatch::Session;
use crate::host::guest_memory::Access as _;
use crate::linux::process::Process;
use crate::linux::syscalls::files::{EMPTY_PATH, HERE, Memory, NO_FOLLOW, number_of};
use crate::linux::system_call_error::SystemCallError;

/// The bits of `st_mode` that `chmod` sets.
const MODE: u32 = 0o7777;
/// The owner and group that programs see for every file.
const OWNER: u32 = 0;
/// Leave the owner or group unchanged.
const SAME: u32 = u32::MAX;

impl Process {
    pub(super) fn for_attributes(
        &self,
        number: i64,
        [first, second, third, fourth, fifth]: [u64; 5],
        session: &mut Session,
        memory: &Memory<'_>,
    ) -> Option<Result<u64, SystemCallError>> {
        let mut at = |place: [u64; 3]| self.mode_of(session, memory, place);
        Some(match number {
            libc::SYS_chmod => at([HERE, first, 0]).and_then(|found| same_mode(found, second)),
            libc::SYS_fchmodat => at([first, second, 0]).and_then(|found| same_mode(found, third)),
            libc::SYS_chown => at([HERE, first, 0]).and_then(|_| same_owner(second, third)),
            libc::SYS_lchown => {
                at([HERE, first, NO_FOLLOW]).and_then(|_| same_owner(second, third))
            }
            libc::SYS_fchownat => {
                at([first, second, fifth]).and_then(|_| same_owner(third, fourth))
            }
            libc::SYS_fchmod => session
                .stat_handle(number_of(first))
                .map_err(Into::into)
                .and_then(|found| same_mode(found.st_mode, second)),
            libc::SYS_fchown => session
                .stat_handle(number_of(first))
                .map_err(Into::into)
                .and_then(|_| same_owner(second, third)),
            _ => return None,
        })
    }

    fn mode_of(
        &self,
        session: &mut Session,
        memory: &Memory<'_>,
        [directory, address, flags]: [u64; 3],
    ) -> Result<u32, SystemCallError> {
        let flags = u64::from(flags as u32);
        if flags & EMPTY_PATH != 0 && memory.text(address)?.is_empty() {
            return Ok(session.stat_handle(number_of(directory))?.st_mode);
        }
        let path = self.path(session, memory, directory, address)?;
        Ok(session.writable_mode(&path, flags & NO_FOLLOW == 0)?)
    }
}

fn same_mode(found: u32, wanted: u64) -> Result<u64, SystemCallError> {
    match found & MODE == wanted as u32 & MODE {
        true => Ok(0),
        false => Err(SystemCallError::Refused(Errno::PERM)),
    }
}

fn same_owner(owner: u64, group: u64) -> Result<u64, SystemCallError> {
    match [owner, group]
        .iter()
        .all(|id| [OWNER, SAME].contains(&(*id as u32)))
    {
        true => Ok(0),
        false => Err(SystemCallError::Refused(Errno::PERM)),
    }
}
