//! `std::sync::mpsc`: a queue. Receiving from an empty one would wait for the same thread.

use alloc_crate::collections::VecDeque;
use alloc_crate::rc::{Rc, Weak};
use core::cell::RefCell;
use core::error::Error;
use core::fmt;

/// The sending half, also of [`sync_channel`], whose bound is ignored.
pub struct Sender<T>(Rc<()>, Weak<RefCell<VecDeque<T>>>);

/// Same as [`Sender`].
pub type SyncSender<T> = Sender<T>;

/// The receiving half.
pub struct Receiver<T> {
    queue: Rc<RefCell<VecDeque<T>>>,
    senders: Weak<()>,
}

/// Same as in std.
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (alive, queue) = (Rc::new(()), Rc::new(RefCell::new(VecDeque::new())));
    let receiver = Receiver {
        senders: Rc::downgrade(&alive),
        queue: Rc::clone(&queue),
    };
    (Sender(alive, Rc::downgrade(&queue)), receiver)
}

/// Same as in std, without the bound: a blocked sender would wait for its own thread.
#[must_use]
pub fn sync_channel<T>(_: usize) -> (SyncSender<T>, Receiver<T>) {
    channel()
}

impl<T> Sender<T> {
    /// Same as in std.
    ///
    /// # Errors
    ///
    /// The value, if the receiver is gone.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        match self.1.upgrade() {
            Some(queue) => {
                queue.borrow_mut().push_back(value);
                Ok(())
            }
            None => Err(SendError(value)),
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0), Weak::clone(&self.1))
    }
}

impl<T> Receiver<T> {
    /// Same as in std.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if nothing is left and all senders are gone.
    ///
    /// # Panics
    ///
    /// If the queue is empty and a sender exists: it would never send.
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        match self.try_recv() {
            Ok(value) => Ok(value),
            Err(TryRecvError::Disconnected) => Err(RecvError),
            Err(TryRecvError::Empty) => {
                panic!("deadlock: a virtine is one thread, so nobody can end this wait")
            }
        }
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// Why nothing could be received.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.queue.borrow_mut().pop_front() {
            Some(value) => Ok(value),
            None if self.senders.strong_count() == 0 => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Same as in std.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        core::iter::from_fn(|| self.recv().ok())
    }

    /// Same as in std.
    pub fn try_iter(&self) -> impl Iterator<Item = T> + '_ {
        core::iter::from_fn(|| self.try_recv().ok())
    }
}

/// Same as in std.
pub struct IntoIter<T>(Receiver<T>);

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

/// The receiver is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sending on a closed channel")
    }
}

impl<T> Error for SendError<T> {}

/// All senders are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("receiving on a closed channel")
    }
}

impl Error for RecvError {}

/// Why nothing could be received at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing is there yet.
    Empty,
    /// All senders are gone.
    Disconnected,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "receiving on an empty channel",
            Self::Disconnected => "receiving on a closed channel",
        })
    }
}

impl Error for TryRecvError {}
