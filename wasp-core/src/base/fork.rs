//! Detects whether this process is a forked child.
//!
//! A child of `fork` inherits the descriptors of virtual machines, but KVM lets only the process that created a VM run
//! it. The watchdog and the cleaning threads do not exist in the child, and any lock may be held forever. So everything
//! in a child that would touch a machine is refused before it takes a lock.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;

static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Fails in a child of the process that called this first.
pub(crate) fn check() -> Result<(), Error> {
    static WATCHING: Once = Once::new();
    if is_child() {
        return Err(Error::Forked);
    }
    WATCHING.call_once(|| {
        extern "C" fn in_child() {
            IS_CHILD.store(true, Ordering::Relaxed);
        }
        // SAFETY: the handler stores to an atomic, which is allowed at any time. Failure means that memory is short;
        // then a child gets KVM's own refusal (EIO).
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    Ok(())
}

/// Whether this process is such a child.
pub(crate) fn is_child() -> bool {
    IS_CHILD.load(Ordering::Relaxed)
}
