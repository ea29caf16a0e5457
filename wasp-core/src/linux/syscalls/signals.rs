//! Signals, as far as a program sets them up. None is ever delivered to a handler. Faults end the program, and so does
//! a signal that it sends to itself if its default action does.

use rustix::io::Errno;

use crate::base::status::Status;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::linux::process::Process;
use crate::linux::reply::SystemCallReply;
use crate::linux::signal_state::{LAST, SET};
use crate::linux::system_call_error::SystemCallError;

impl Process {
    pub(super) fn sigaction(
        &mut self,
        memory: &mut dyn GuestSpace,
        [signal, new, old, size]: [u64; 4],
    ) -> Result<u64, SystemCallError> {
        if size != SET as u64 || !(1..=LAST).contains(&signal) {
            return Err(Errno::INVAL.into());
        }
        let unchangeable = signal == libc::SIGKILL as u64 || signal == libc::SIGSTOP as u64;
        if unchangeable && new != 0 {
            return Err(Errno::INVAL.into());
        }
        let wanted = read(memory, new)?;
        let action = &mut self.signals.actions[signal as usize - 1];
        if old != 0 {
            memory.put(old, action)?;
        }
        *action = wanted.unwrap_or(*action);
        Ok(0)
    }

    pub(super) fn sigprocmask(
        &mut self,
        memory: &mut dyn GuestSpace,
        [how, new, old, size]: [u64; 4],
    ) -> Result<u64, SystemCallError> {
        if size != SET as u64 {
            return Err(Errno::INVAL.into());
        }
        let before = u64::from_le_bytes(self.signals.blocked);
        let after = match read(memory, new)?.map(u64::from_le_bytes) {
            None => before,
            Some(set) => match how as i32 {
                libc::SIG_BLOCK => before | set,
                libc::SIG_UNBLOCK => before & !set,
                libc::SIG_SETMASK => set,
                _ => return Err(Errno::INVAL.into()),
            },
        };
        if old != 0 {
            memory.put(old, &self.signals.blocked)?;
        }
        self.signals.blocked = after.to_le_bytes();
        Ok(0)
    }

    pub(super) fn sigaltstack(
        &mut self,
        memory: &mut dyn GuestSpace,
        [new, old]: [u64; 2],
    ) -> Result<u64, SystemCallError> {
        let wanted = read(memory, new)?;
        if old != 0 {
            memory.put(old, &self.signals.stack)?;
        }
        self.signals.stack = wanted.unwrap_or(self.signals.stack);
        Ok(0)
    }

    /// Handles a signal that the program sends to itself, since there is no other process. `None` if it would run a
    /// handler.
    pub(super) fn raise(&self, signal: u64) -> Result<Option<SystemCallReply>, SystemCallError> {
        let by_default = signal as i32;
        if signal == 0 {
            return Ok(Some(SystemCallReply::Answer(0)));
        }
        if signal > LAST {
            return Err(Errno::INVAL.into());
        }
        let action = &self.signals.actions[signal as usize - 1];
        let (handler, _) = action.split_at(8);
        let handler = handler
            .iter()
            .rev()
            .fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        let harmless = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
        Ok(match handler as usize {
            libc::SIG_DFL if !harmless.contains(&by_default) => {
                Some(SystemCallReply::Exit(Status::Killed(signal as u8)))
            }
            libc::SIG_DFL | libc::SIG_IGN => Some(SystemCallReply::Answer(0)),
            _ => None,
        })
    }
}

/// The value at `address`. `None` if there is no address.
fn read<const N: usize>(
    memory: &dyn GuestSpace,
    address: u64,
) -> Result<Option<[u8; N]>, SystemCallError> {
    if address == 0 {
        return Ok(None);
    }
    Ok(Some(memory.array(address)?))
}
