//! `Condvar`: nobody else runs who could meet a condition, so waiting for one is a panic.

use core::time::Duration;

use super::{LockResult, MutexGuard};

/// As std's.
#[derive(Debug, Default)]
pub struct Condvar(());

/// Whether a wait ended by its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(());

impl WaitTimeoutResult {
    /// Always: nobody else runs who could have ended it.
    #[must_use]
    pub const fn timed_out(&self) -> bool {
        true
    }
}

impl Condvar {
    /// As std's.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }

    /// Does nothing: nobody waits.
    pub const fn notify_one(&self) {}

    /// Does nothing: nobody waits.
    pub const fn notify_all(&self) {}

    /// As std's.
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

    /// As std's.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Panics
    ///
    /// Where `condition` holds: no other thread could ever change it.
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

    /// As std's, but at once: nobody else runs who could end the wait before its time.
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
