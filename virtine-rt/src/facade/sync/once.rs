//! Values that are initialized once: core's single-threaded cells, which the only thread may share with itself.

use core::cell::{Cell, LazyCell, OnceCell};
use core::fmt;
use core::ops::Deref;

/// Same as in std.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OnceLock<T>(OnceCell<T>);

// SAFETY: a virtine has one vCPU and takes no interrupts, so there is one thread.
unsafe impl<T> Sync for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// Same as in std.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Same as in std.
    pub fn get(&self) -> Option<&T> {
        self.0.get()
    }

    /// Same as in std.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.get_mut()
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// The value, if one is already set.
    pub fn set(&self, value: T) -> Result<(), T> {
        self.0.set(value)
    }

    /// Same as in std.
    pub fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(init)
    }

    /// Same as in std.
    pub fn take(&mut self) -> Option<T> {
        self.0.take()
    }

    /// Same as in std.
    pub fn into_inner(self) -> Option<T> {
        self.0.into_inner()
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> Self {
        Self(OnceCell::from(value))
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("OnceLock");
        match self.get() {
            Some(value) => tuple.field(value),
            None => tuple.field(&format_args!("<uninit>")),
        };
        tuple.finish()
    }
}

/// Same as in std.
pub struct LazyLock<T, F = fn() -> T>(LazyCell<T, F>);

// SAFETY: a virtine has one vCPU and takes no interrupts, so there is one thread.
unsafe impl<T, F> Sync for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// Same as in std.
    pub const fn new(init: F) -> Self {
        Self(LazyCell::new(init))
    }

    /// Same as in std.
    pub fn force(this: &Self) -> &T {
        LazyCell::force(&this.0)
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        Self::force(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Same as in std.
pub struct Once(Cell<bool>);

// SAFETY: a virtine has one vCPU and takes no interrupts, so there is one thread.
unsafe impl Sync for Once {}

/// The argument of the function passed to [`Once::call_once_force`].
#[derive(Debug)]
pub struct OnceState(());

impl OnceState {
    /// Always false: a panic ends the virtine.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        false
    }
}

impl Once {
    /// Same as in std.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "as std's, which has none")]
    pub const fn new() -> Self {
        Self(Cell::new(false))
    }

    /// Same as in std.
    pub fn call_once(&self, f: impl FnOnce()) {
        if !self.0.replace(true) {
            f();
        }
    }

    /// Same as in std.
    pub fn call_once_force(&self, f: impl FnOnce(&OnceState)) {
        self.call_once(|| f(&OnceState(())));
    }

    /// Same as in std.
    pub fn is_completed(&self) -> bool {
        self.0.get()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
