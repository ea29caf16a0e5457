//! Whether this is still the process that made the virtual machines.
//!
//! A child of `fork` inherits their descriptors, but KVM lets only the process that made a VM run it;
//! the watchdog and the cleaning threads are not in the child at all, and any lock may be held for
//! ever. So in a child everything that would touch a machine is refused, before it takes a lock.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;

static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Refuses in a child of the process that called this first.
pub(crate) fn check() -> Result<(), Error> {
    static WATCHING: Once = Once::new();
    if is_child() {
        return Err(Error::Forked);
    }
    WATCHING.call_once(|| {
        extern "C" fn in_child() {
            IS_CHILD.store(true, Ordering::Relaxed);
        }
        // SAFETY: the handler stores to an atomic, which may be done at any time. Failure means that
        // memory is short; then KVM's own refusal (EIO) is what a child gets.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    Ok(())
}

/// Whether this process is such a child.
pub(crate) fn is_child() -> bool {
    IS_CHILD.load(Ordering::Relaxed)
}
