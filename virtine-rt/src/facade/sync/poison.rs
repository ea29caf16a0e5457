//! What locks return. Never an error but `WouldBlock`: a panic ends the virtine, so no lock is ever
//! seen poisoned.

use core::error::Error;
use core::fmt;

/// As std's.
pub type LockResult<T> = Result<T, PoisonError<T>>;

/// As std's.
pub type TryLockResult<T> = Result<T, TryLockError<T>>;

/// A holder of the lock panicked, which nobody lives to see.
pub struct PoisonError<T>(T);

impl<T> PoisonError<T> {
    /// As std's.
    pub const fn new(data: T) -> Self {
        Self(data)
    }

    /// What the lock guards.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// What the lock guards.
    pub const fn get_ref(&self) -> &T {
        &self.0
    }

    /// What the lock guards.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> fmt::Debug for PoisonError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoisonError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PoisonError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("poisoned lock: another task failed inside")
    }
}

impl<T> Error for PoisonError<T> {}

/// Why a lock could not be had at once.
pub enum TryLockError<T> {
    /// As [`PoisonError`].
    Poisoned(PoisonError<T>),
    /// It is held.
    WouldBlock,
}

impl<T> fmt::Debug for TryLockError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poisoned(_) => "Poisoned(..)",
            Self::WouldBlock => "WouldBlock",
        })
    }
}

impl<T> fmt::Display for TryLockError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poisoned(_) => "poisoned lock: another task failed inside",
            Self::WouldBlock => "try_lock failed because the operation would block",
        })
    }
}

impl<T> Error for TryLockError<T> {}
