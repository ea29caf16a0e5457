//! `RwLock`: a `RefCell` that the only thread may share with itself.

use core::cell::{Ref, RefCell, RefMut};
use core::fmt;
use core::ops::{Deref, DerefMut};

use super::{LockResult, TryLockError, TryLockResult};

/// Same as in std.
#[derive(Default)]
pub struct RwLock<T: ?Sized>(RefCell<T>);

// SAFETY: a virtine has one vCPU and takes no interrupts, so there is one thread.
unsafe impl<T: ?Sized> Sync for RwLock<T> {}

/// Same as in std.
#[derive(Debug)]
pub struct RwLockReadGuard<'a, T: ?Sized>(Ref<'a, T>);

/// Same as in std.
#[derive(Debug)]
pub struct RwLockWriteGuard<'a, T: ?Sized>(RefMut<'a, T>);

impl<T> RwLock<T> {
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

impl<T: ?Sized> RwLock<T> {
    /// Same as in std.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Panics
    ///
    /// If the same thread is writing.
    #[track_caller]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        match self.0.try_borrow() {
            Ok(value) => Ok(RwLockReadGuard(value)),
            Err(_) => panic!("deadlock: the lock is already held for writing by this thread"),
        }
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Panics
    ///
    /// If the same thread holds the lock.
    #[track_caller]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        match self.0.try_borrow_mut() {
            Ok(value) => Ok(RwLockWriteGuard(value)),
            Err(_) => panic!("deadlock: the lock is already held by this thread"),
        }
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if the lock is held for writing.
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let value = self.0.try_borrow().map_err(|_| TryLockError::WouldBlock)?;
        Ok(RwLockReadGuard(value))
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if the lock is held.
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let value = self
            .0
            .try_borrow_mut()
            .map_err(|_| TryLockError::WouldBlock)?;
        Ok(RwLockWriteGuard(value))
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
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lock = f.debug_struct("RwLock");
        match self.0.try_borrow() {
            Ok(value) => lock.field("data", &&*value),
            Err(_) => lock.field("data", &format_args!("<locked>")),
        };
        lock.field("poisoned", &false).finish_non_exhaustive()
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
