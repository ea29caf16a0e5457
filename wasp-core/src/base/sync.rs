//! What threads meet by: std's, or loom's where `--cfg loom` has the models run.

#[cfg(not(loom))]
pub(crate) use std::hint::spin_loop as spin;
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
/// A model checker must be told that others have to move on first.
#[cfg(loom)]
pub(crate) use loom::thread::yield_now as spin;

/// Between a store and the load of what another thread stores before it loads the first. Both are
/// sequentially consistent, which is enough; but loom takes that for acquire and release, and orders such
/// a pair only by a fence.
#[cfg(not(loom))]
pub(crate) const fn store_before_load() {}
#[cfg(loom)]
pub(crate) fn store_before_load() {
    loom::sync::atomic::fence(Ordering::SeqCst);
}
