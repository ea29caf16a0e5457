//! Synchronization primitives: std's, or loom's if the models run with `--cfg loom`.

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
/// A model checker must know that other threads have to proceed first.
#[cfg(loom)]
pub(crate) use loom::thread::yield_now as spin;

/// Goes between a store and the load of a value that another thread stores before it loads the first. Both operations
/// are sequentially consistent, which is enough. But loom treats that as acquire and release, and orders such a pair
/// only by a fence.
#[cfg(not(loom))]
pub(crate) const fn store_before_load() {}
#[cfg(loom)]
pub(crate) fn store_before_load() {
    loom::sync::atomic::fence(Ordering::SeqCst);
}
