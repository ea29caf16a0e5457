//! The results of locking. The only error is `WouldBlock`: a panic ends the virtine, so a poisoned lock is never seen.

use core::error::Error;
use core::fmt;

/// Same as in std.
pub type LockResult<T> = Result<T, PoisonError<T>>;

/// Same as in std.
pub type TryLockResult<T> = Result<T, TryLockError<T>>;

/// A holder of the lock panicked, which is never observed here.
pub struct PoisonError<T>(T);

impl<T> PoisonError<T> {
    /// Same as in std.
    pub const fn new(data: T) -> Self {
        Self(data)
    }

    /// The guarded value.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// The guarded value.
    pub const fn get_ref(&self) -> &T {
        &self.0
    }

    /// The guarded value.
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

/// Why a lock could not be acquired at once.
pub enum TryLockError<T> {
    /// Like [`PoisonError`].
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
