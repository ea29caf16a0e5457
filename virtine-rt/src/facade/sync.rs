//! `std::sync` for a single-threaded guest. Waiting for another thread would never end, so it panics with the reason
//! instead.

mod condvar;
pub mod mpsc;
mod mutex;
mod once;
mod poison;
mod rwlock;

pub use alloc_crate::sync::{Arc, Weak};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use core::sync::atomic;
pub use mutex::{Mutex, MutexGuard};
pub use once::{LazyLock, Once, OnceLock, OnceState};
pub use poison::{LockResult, PoisonError, TryLockError, TryLockResult};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
