//! Releases memory in the background.
//!
//! One thread for the whole process checks each pool that keeps much memory at regular intervals. It ends when no such
//! pool is left. Time is counted in its ticks, so that no call reads a clock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::base::caught::caught;
use crate::base::fork;

/// A holder of memory.
pub(crate) trait ReleaseIdle: Send + Sync {
    /// Releases memory that was not used since tick `since`. Returns whether anything is left to check.
    fn release_idle(&self, since: u32) -> bool;
}

/// The time between two ticks.
const PAUSE: Duration = Duration::from_secs(2);

/// Memory is released when no call has used it for this many ticks, that is for 10 to 12 seconds.
const LOOKS: u32 = 5;

static NOW: AtomicU32 = AtomicU32::new(LOOKS);

static WATCHED: Mutex<Watched> = Mutex::new(Watched {
    keepers: Vec::new(),
    running: false,
});

struct Watched {
    keepers: Vec<Weak<dyn ReleaseIdle>>,
    running: bool,
}

/// The number of the last tick.
#[inline]
pub(crate) fn now() -> u32 {
    NOW.load(Ordering::Relaxed)
}

/// Watches a keeper until it has nothing left. Returns false if there is no thread for that.
#[cold]
pub(crate) fn watch(keeper: Weak<dyn ReleaseIdle>) -> bool {
    let mut watched = lock();
    if !watched.running {
        let thread = thread::Builder::new().name("virtine-reclaimer".to_owned());
        watched.running = thread.spawn(look_at_all).is_ok();
    }
    if watched.running {
        watched.keepers.push(keeper);
    }
    watched.running
}

fn look_at_all() {
    loop {
        thread::sleep(PAUSE);
        let now = NOW.fetch_add(1, Ordering::Relaxed) + 1;
        let keepers = std::mem::take(&mut lock().keepers);
        let left = keepers.into_iter().filter(|keeper| {
            let keeper = keeper.upgrade();
            keeper.is_some_and(|keeper| look_at(&keeper, now - LOOKS))
        });
        // No lock is held: this takes as long as the kernel does.
        let left: Vec<Weak<dyn ReleaseIdle>> = left.collect();
        let mut watched = lock();
        watched.keepers.extend(left);
        if watched.keepers.is_empty() {
            watched.running = false;
            return;
        }
    }
}

fn look_at(keeper: &Arc<dyn ReleaseIdle>, since: u32) -> bool {
    // Nobody can handle a panic here.
    caught(|| keeper.release_idle(since)).unwrap_or(false)
}

fn lock() -> MutexGuard<'static, Watched> {
    debug_assert!(!fork::is_child(), "a child of fork has no pools to use");
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}
