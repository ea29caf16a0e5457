//! `std::thread` for a single-threaded guest: thread locals. Threads cannot be started.

use core::cell::{Cell, OnceCell, RefCell};
use core::marker::PhantomData;
use core::time::Duration;

/// Marks functions that would need threads.
pub struct Threads<'a>(PhantomData<&'a ()>);

/// A requirement of a second thread, or of a pause of this one, that nothing meets.
#[diagnostic::on_unimplemented(
    message = "a virtine is one thread on one processor, without a clock",
    label = "needs threads",
    note = "do the work one after the other, or call several virtines from several threads of the host"
)]
pub trait Granted {}

/// A handle of another thread. There is none.
#[derive(Debug)]
pub struct JoinHandle<T>(PhantomData<T>);

impl<T> JoinHandle<T> {
    /// Cannot be called, since there is no thread to wait for.
    ///
    /// # Errors
    ///
    /// Never returns.
    pub fn join(self) -> Result<T, alloc_crate::boxed::Box<dyn core::any::Any + Send>>
    where
        for<'a> Threads<'a>: Granted,
    {
        unreachable!("there are no threads")
    }
}

/// Cannot be called: a virtine has one thread.
pub fn spawn<F: FnOnce() -> T, T>(_: F) -> JoinHandle<T>
where
    for<'a> Threads<'a>: Granted,
{
    JoinHandle(PhantomData)
}

/// Cannot be called: a virtine has one thread.
pub fn scope<F, T>(_: F) -> T
where
    for<'a> Threads<'a>: Granted,
{
    unreachable!("there are no threads")
}

/// Cannot be called: a virtine has no clock to wait with.
pub fn sleep(_: Duration)
where
    for<'a> Threads<'a>: Granted,
{
}

/// Does nothing, since there is no other thread.
pub const fn yield_now() {}

/// Always false: a panic ends the virtine.
#[must_use]
pub const fn panicking() -> bool {
    false
}

/// What [`thread_local!`](crate::thread_local) declares.
pub struct LocalKey<T: 'static> {
    value: OnceCell<T>,
    init: fn() -> T,
}

// SAFETY: a virtine has one vCPU and takes no interrupts, so there is one thread.
unsafe impl<T> Sync for LocalKey<T> {}

/// The value is being destroyed. This never happens here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError;

impl core::fmt::Display for AccessError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("already destroyed")
    }
}

impl core::error::Error for AccessError {}

impl<T: 'static> LocalKey<T> {
    /// A value that is created at its first use.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(init: fn() -> T) -> Self {
        Self {
            value: OnceCell::new(),
            init,
        }
    }

    /// Passes the value to `f`.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        f(self.value.get_or_init(self.init))
    }

    /// Passes the value to `f`.
    ///
    /// # Errors
    ///
    /// None: the value lives as long as the virtine.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        Ok(self.with(f))
    }
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Like [`Cell::set`].
    pub fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }

    /// Like [`Cell::get`].
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Like [`Cell::take`].
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Like [`Cell::replace`].
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Like [`RefCell::borrow`], for as long as `f` runs.
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Like [`RefCell::borrow_mut`], for as long as `f` runs.
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Replaces the value.
    pub fn set(&'static self, value: T) {
        self.with(|cell| *cell.borrow_mut() = value);
    }

    /// Like [`RefCell::take`].
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Like [`RefCell::replace`].
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}
