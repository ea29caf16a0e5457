//! `Condvar`. No other thread can meet a condition, so waiting for one is a panic.

use core::time::Duration;

use super::{LockResult, MutexGuard};

/// Same as in std.
#[derive(Debug, Default)]
pub struct Condvar(());

/// Whether a wait ended because of its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(());

impl WaitTimeoutResult {
    /// Always true: no other thread could have ended it.
    #[must_use]
    pub const fn timed_out(&self) -> bool {
        true
    }
}

impl Condvar {
    /// Same as in std.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }

    /// Does nothing: nobody waits.
    pub const fn notify_one(&self) {}

    /// Does nothing: nobody waits.
    pub const fn notify_all(&self) {}

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Panics
    ///
    /// Always: no other thread could ever end the wait.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        drop(guard);
        panic!("deadlock: a virtine is one thread, so nobody can end this wait")
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Panics
    ///
    /// If `condition` holds: no other thread could ever change it.
    #[track_caller]
    pub fn wait_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        match condition(&mut guard) {
            true => self.wait(guard),
            false => Ok(guard),
        }
    }

    /// Same as in std, but returns at once: no other thread could end the wait early.
    ///
    /// # Errors
    ///
    /// None.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        Ok((guard, WaitTimeoutResult(())))
    }
}
