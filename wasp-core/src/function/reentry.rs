//! Tracks which virtines a thread is inside of while it runs a host function for them.
//!
//! A host function that calls the virtine that called it could recurse without end, each time with another machine of a
//! bounded pool.

use std::cell::RefCell;

use crate::Error;

thread_local! {
    static INSIDE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Refuses a virtine that this thread is inside of. `identity` is the virtine's address.
#[inline]
pub(crate) fn check(identity: usize, function: &'static str) -> Result<(), Error> {
    match INSIDE.with_borrow(|inside| inside.contains(&identity)) {
        true => Err(Error::Reentered { function }),
        false => Ok(()),
    }
}

/// Marks the thread as inside a virtine for as long as this lives.
pub(crate) struct Inside(());

impl Inside {
    pub(crate) fn enter(identity: usize) -> Self {
        INSIDE.with_borrow_mut(|inside| inside.push(identity));
        Self(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(|inside| inside.pop());
    }
}
