//! A call's arguments, which are encoded directly into guest memory.

use std::os::fd::{AsFd, OwnedFd};

use serde::Serialize;
use virtine_rt::abi::requests::handle;
use virtine_rt::codec::form::{self, EncodeAs};
use virtine_rt::codec::{self, CodecError, Encoding, Sink};

use crate::Error;
use crate::memory::guest_memory::GuestMemory;

/// A range of guest memory into which a call's arguments are encoded.
pub struct Arguments<'a> {
    memory: &'a mut GuestMemory,
    start: u64,
    end: u64,
    /// Bytes that all arguments take, including those that did not fit.
    needed: u64,
    /// Bytes that an abandoned attempt has written.
    given_up: u64,
    invalid: Option<String>,
    encoding: Encoding,
    /// The arguments must be described, and are not.
    undescribed: bool,
    /// The files and streams among the arguments, in order.
    handles: Vec<OwnedFd>,
    /// How many of these have been appended.
    appended: usize,
}

impl<'a> Arguments<'a> {
    /// Lets `encode` append all arguments between the two addresses, in this encoding. If they turn out to need it,
    /// they are described instead. `handles` are those of an earlier attempt.
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

    /// The encoding of the arguments.
    pub(crate) const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Appends the next argument. Errors are kept until the last argument is in.
    pub fn push<T: Serialize + ?Sized>(&mut self, argument: &T) {
        match codec::encode_in(self.encoding, argument, self) {
            Ok(()) | Err(CodecError::Full) => {}
            Err(CodecError::Undescribed) => self.undescribed = true,
            Err(CodecError::Invalid(reason)) => _ = self.invalid.get_or_insert(reason),
        }
    }

    /// Appends the next argument, a byte slice, with a single copy.
    pub fn push_bytes(&mut self, argument: &[u8]) {
        self.push(&codec::Bytes(argument));
    }

    /// Appends the next argument, in the form `F`.
    pub fn push_as<F: EncodeAs<T>, T: ?Sized>(&mut self, argument: &T) {
        self.push(&form::AsRef::<F, T>::new(argument));
    }

    /// Appends the next argument, a file or stream, which the call then owns. If all arguments are appended a second
    /// time, it has been handed over already.
    pub fn push_handle(&mut self, argument: Option<impl Into<OwnedFd>>) {
        self.append(|| match argument {
            Some(argument) => Ok(argument.into()),
            None => Err("a file or stream has been handed over already; call once more".to_owned()),
        });
    }

    /// Appends the next argument, a file or stream, which the caller keeps too.
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

    /// Ends the arguments. Returns their length in bytes, and the files and streams among them.
    pub(crate) fn finish(self, memory: u64) -> Result<(u64, Vec<OwnedFd>), Error> {
        let available = self.end - self.start;
        // Even if the arguments do not fit, some may have been written.
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

    /// Keeps counting when bytes no longer fit, so that the error can say how much is needed.
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
