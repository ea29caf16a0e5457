//! Where a call's arguments go: encoded right into guest memory.

use std::os::fd::{AsFd, OwnedFd};

use serde::Serialize;
use virtine_rt::abi::requests::handle;
use virtine_rt::codec::form::{self, EncodeAs};
use virtine_rt::codec::{self, CodecError, Encoding, Sink};

use crate::Error;
use crate::memory::guest_memory::GuestMemory;

/// A place in guest memory that a call's arguments are encoded into.
pub struct Arguments<'a> {
    memory: &'a mut GuestMemory,
    start: u64,
    end: u64,
    /// Bytes that all arguments take, also those that did not fit.
    needed: u64,
    /// Bytes that an attempt has written that was given up.
    given_up: u64,
    invalid: Option<String>,
    encoding: Encoding,
    /// They must be described, and are not.
    undescribed: bool,
    /// Files and streams among them, in their order.
    handles: Vec<OwnedFd>,
    /// How many of these have been appended.
    appended: usize,
}

impl<'a> Arguments<'a> {
    /// Has `encode` append all of them between the two addresses, in this encoding or, where they turn out to need it,
    /// described. `handles` are those of an earlier attempt.
    pub(crate) fn encode(
        memory: &'a mut GuestMemory,
        [start, end]: [u64; 2],
        (encoding, handles): (Encoding, Vec<OwnedFd>),
        encode: &mut impl FnMut(&mut Arguments<'_>),
    ) -> Self {
        let mut arguments = Arguments {
            memory,
            start,
            end,
            needed: 0,
            given_up: 0,
            invalid: None,
            encoding,
            undescribed: false,
            handles,
            appended: 0,
        };
        encode(&mut arguments);
        if arguments.undescribed {
            arguments.undescribed = false;
            arguments.encoding = Encoding::Described;
            arguments.given_up = arguments.needed;
            (arguments.needed, arguments.appended) = (0, 0);
            encode(&mut arguments);
        }
        arguments
    }

    /// How they are encoded.
    pub(crate) const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Appends the next argument. Errors are kept until the last one is in.
    pub fn push<T: Serialize + ?Sized>(&mut self, argument: &T) {
        match codec::encode_in(self.encoding, argument, self) {
            Ok(()) | Err(CodecError::Full) => {}
            Err(CodecError::Undescribed) => self.undescribed = true,
            Err(CodecError::Invalid(reason)) => _ = self.invalid.get_or_insert(reason),
        }
    }

    /// Appends the next argument, a byte slice, in one copy.
    pub fn push_bytes(&mut self, argument: &[u8]) {
        self.push(&codec::Bytes(argument));
    }

    /// Appends the next argument, in the form `F`.
    pub fn push_as<F: EncodeAs<T>, T: ?Sized>(&mut self, argument: &T) {
        self.push(&form::AsRef::<F, T>::new(argument));
    }

    /// Appends the next argument, a file or stream, which is the call's from now on. Where all arguments are appended
    /// once more, it has been handed over.
    pub fn push_handle(&mut self, argument: Option<impl Into<OwnedFd>>) {
        self.append(|| match argument {
            Some(argument) => Ok(argument.into()),
            None => Err("a file or stream has been handed over already; call once more".to_owned()),
        });
    }

    /// Appends the next argument, a file or stream, which stays the caller's as well.
    pub fn push_shared_handle(&mut self, argument: &impl AsFd) {
        self.append(|| {
            let own = argument.as_fd().try_clone_to_owned();
            own.map_err(|error| error.to_string())
        });
    }

    fn append(&mut self, own: impl FnOnce() -> Result<OwnedFd, String>) {
        self.push(&(handle::FIRST + self.appended as u64));
        if self.appended == self.handles.len() {
            match own() {
                Ok(own) => self.handles.push(own),
                Err(reason) => _ = self.invalid.get_or_insert(reason),
            }
        }
        self.appended += 1;
    }

    /// Ends the arguments: how many bytes they are, and the files and streams among them.
    pub(crate) fn finish(self, memory: u64) -> Result<(u64, Vec<OwnedFd>), Error> {
        let available = self.end - self.start;
        // Of those that do not fit, some may have been written.
        let written = self.needed.max(self.given_up).min(available);
        self.memory.note_written(self.start, written);
        if let Some(reason) = self.invalid {
            return Err(Error::Argument { reason });
        }
        if self.needed > available {
            return Err(Error::ArgumentsTooLarge {
                needed: self.needed,
                available,
                memory,
            });
        }
        Ok((self.needed, self.handles))
    }
}

impl Sink for Arguments<'_> {
    const ALIGNED: bool = true;

    /// Counts on where bytes no longer fit, so that the error can tell how much is needed.
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> bool {
        let address = self.start.saturating_add(self.needed);
        self.needed = self.needed.saturating_add(bytes.len() as u64);
        if self.start.saturating_add(self.needed) <= self.end {
            return self.memory.put(address, bytes).is_some();
        }
        true
    }

    fn position(&self) -> usize {
        self.needed as usize
    }

    fn patch(&mut self, position: usize, bytes: &[u8]) {
        let address = self.start.saturating_add(position as u64);
        if address.saturating_add(bytes.len() as u64) <= self.end {
            let _ = self.memory.put(address, bytes);
        }
    }
}
