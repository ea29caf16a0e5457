//! `Mutex`: a `RefCell` that the only thread may share with itself.

use core::cell::{RefCell, RefMut};
use core::fmt;
use core::ops::{Deref, DerefMut};

use super::{LockResult, TryLockError, TryLockResult};

/// Same as in std.
#[derive(Default)]
pub struct Mutex<T: ?Sized>(RefCell<T>);

// SAFETY: a virtine has one vCPU and takes no interrupts, so there is one thread.
unsafe impl<T: ?Sized> Sync for Mutex<T> {}

/// Same as in std.
pub struct MutexGuard<'a, T: ?Sized>(RefMut<'a, T>);

impl<T> Mutex<T> {
    /// Same as in std.
    pub const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// None.
    pub fn into_inner(self) -> LockResult<T> {
        Ok(self.0.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Same as in std.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Panics
    ///
    /// If the lock is held: by the same thread, so it would never be released.
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match self.0.try_borrow_mut() {
            Ok(value) => Ok(MutexGuard(value)),
            Err(_) => panic!("deadlock: the mutex is already held by this thread"),
        }
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if the lock is held.
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let value = self
            .0
            .try_borrow_mut()
            .map_err(|_| TryLockError::WouldBlock)?;
        Ok(MutexGuard(value))
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// None.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        Ok(self.0.get_mut())
    }

    /// Always false: a panic ends the virtine.
    pub const fn is_poisoned(&self) -> bool {
        false
    }

    /// Does nothing.
    pub const fn clear_poison(&self) {}
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut mutex = f.debug_struct("Mutex");
        match self.0.try_borrow() {
            Ok(value) => mutex.field("data", &&*value),
            Err(_) => mutex.field("data", &format_args!("<locked>")),
        };
        mutex.field("poisoned", &false).finish_non_exhaustive()
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
