//! What Linux programs may do with streams that were handed to them, besides reading and writing.

use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown, sockopt};

use crate::base::quota::Quota;
use crate::host::dispatch::Session;
use crate::host::guest_memory::GuestSpace;
use crate::host::open::Open;
use crate::host::request_error::{Answer, RequestError};
use crate::host::rights::Rights;
use crate::host::streams::Waiting;
use crate::host::streams::{self, Buffer};

impl Session {
    /// The socket that a handle refers to.
    fn socket(&mut self, handle: u64, needed: Rights) -> Result<Open, RequestError> {
        self.is_standard_and_closed(handle)?;
        self.opened(handle, needed | Rights::SOCKET)
    }

    /// Reads from a stream. With `peek`, the next read returns the same bytes again.
    pub(crate) fn receive(
        &mut self,
        memory: &mut (dyn GuestSpace + '_),
        handle: u64,
        [buffer, length]: [u64; 2],
        peek: bool,
        waiting: Waiting,
    ) -> Answer {
        let open = self.socket(handle, Rights::READ)?;
        let allowed = self.meter.allow(Quota::BytesRead, length)?;
        let meter = &self.meter;
        let place = Buffer {
            address: buffer,
            length: allowed,
        };
        let count = streams::receive(&open, memory, place, peek, waiting, meter)?;
        self.meter.take(Quota::BytesRead, count);
        Ok(count)
    }

    /// Writes to a stream.
    pub(crate) fn send(
        &mut self,
        memory: &mut (dyn GuestSpace + '_),
        handle: u64,
        [address, length]: [u64; 2],
        waiting: Waiting,
    ) -> Answer {
        let open = self.socket(handle, Rights::APPEND)?;
        let quota = open.quota;
        let allowed = self.meter.allow(quota, length)?;
        let place = Buffer {
            address,
            length: allowed,
        };
        let count = streams::send(&open, memory, place, waiting, &self.meter)?;
        self.meter.take(quota, count);
        Ok(count)
    }

    /// Shuts down one direction of a stream, or both.
    pub(crate) fn shut_down(&mut self, handle: u64, how: u32) -> Answer {
        let open = self.socket(handle, Rights::SHUT_DOWN)?;
        let how = match how {
            0 => Shutdown::Read,
            1 => Shutdown::Write,
            2 => Shutdown::Both,
            _ => return Err(Errno::INVAL.into()),
        };
        shutdown(open.descriptor(), how)?;
        Ok(0)
    }

    /// Sets whether a connection sends small writes at once.
    pub(crate) fn set_no_delay(&mut self, handle: u64, on: bool) -> Answer {
        let open = self.socket(handle, Rights::SHUT_DOWN)?;
        sockopt::set_tcp_nodelay(open.descriptor(), on)?;
        Ok(0)
    }
}
