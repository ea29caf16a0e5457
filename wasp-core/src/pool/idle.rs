//! Memory that is given back behind everybody's back.
//!
//! A pool that keeps much memory is looked at every now and then, by one thread for the whole process, which ends with
//! the last of them. Time is counted in its looks, so that no call reads a clock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::base::caught::caught;
use crate::base::fork;

/// Somebody who keeps memory.
pub(crate) trait ReleaseIdle: Send + Sync {
    /// Gives back what nobody has used since the look number `since`; whether anything is left to be looked at again.
    fn release_idle(&self, since: u32) -> bool;
}

/// The time from one look to the next.
const PAUSE: Duration = Duration::from_secs(2);

/// What no call has used for so many looks is given back: for 10 to 12 seconds.
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

/// The number of the last look.
#[inline]
pub(crate) fn now() -> u32 {
    NOW.load(Ordering::Relaxed)
}

/// Has a keeper looked at, until it has nothing left. False where there is no thread for that.
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
        // Under no lock: it takes as long as the kernel does.
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
    // A panic here is nobody's to hear of.
    caught(|| keeper.release_idle(since)).unwrap_or(false)
}

fn lock() -> MutexGuard<'static, Watched> {
    debug_assert!(!fork::is_child(), "a child of fork has no pools to use");
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}
