//! Signals as far as a program sets them up. None is ever delivered to a handler: faults end the program,
//! and so does what it sends to itself, where it would by default.

use rustix::io::Errno;

use super::process::{Next, Process, Trouble};
use crate::doors::{Access as _, GuestSpace};

/// Signals are numbered from 1 to this.
const LAST: u64 = 64;
/// Bytes of the kernel's `struct sigaction` on x86-64, `sigset_t` and `stack_t`.
const ACTION: usize = 32;
const SET: usize = 8;
const STACK: usize = 24;

/// `sigaltstack`'s flag for "there is none".
const DISABLED: u64 = libc::SS_DISABLE as u64;

/// What a program has asked for.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    actions: Vec<[u8; ACTION]>,
    blocked: [u8; SET],
    stack: [u8; STACK],
}

impl Default for Signals {
    fn default() -> Self {
        let mut stack = [0; STACK];
        stack[8..16].copy_from_slice(&DISABLED.to_le_bytes());
        Self {
            actions: vec![[0; ACTION]; LAST as usize],
            blocked: [0; SET],
            stack,
        }
    }
}

impl Process {
    pub(super) fn sigaction(
        &mut self,
        memory: &mut dyn GuestSpace,
        [signal, new, old, size]: [u64; 4],
    ) -> Result<u64, Trouble> {
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
    ) -> Result<u64, Trouble> {
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
    ) -> Result<u64, Trouble> {
        let wanted = read(memory, new)?;
        if old != 0 {
            memory.put(old, &self.signals.stack)?;
        }
        self.signals.stack = wanted.unwrap_or(self.signals.stack);
        Ok(0)
    }

    /// A signal that the program sends to itself: there is nobody else. `None` where it would run a
    /// handler.
    pub(super) fn raise(&self, signal: u64) -> Result<Option<Next>, Trouble> {
        let by_default = signal as i32;
        if signal == 0 {
            return Ok(Some(Next::Answer(0)));
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
            libc::SIG_DFL if !harmless.contains(&by_default) => Some(Next::Killed(signal as u8)),
            libc::SIG_DFL | libc::SIG_IGN => Some(Next::Answer(0)),
            _ => None,
        })
    }
}

/// What lies at `address`; `None` for no address.
fn read<const N: usize>(memory: &dyn GuestSpace, address: u64) -> Result<Option<[u8; N]>, Trouble> {
    if address == 0 {
        return Ok(None);
    }
    let bytes = memory.bytes(address, N as u64)?;
    Ok(bytes.first_chunk().copied())
}
