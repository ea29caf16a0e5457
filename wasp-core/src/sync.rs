//! What threads meet by: std's, or loom's where `--cfg loom` has the models run.

#[cfg(not(loom))]
pub(crate) use std::hint::spin_loop as spin;
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};
/// A model checker must be told that others have to move on first.
#[cfg(loom)]
pub(crate) use loom::thread::yield_now as spin;
