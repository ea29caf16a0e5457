//! What a call has open. Dropped with the call, which closes all of it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use virtine_rt::abi::doors::handle;

use super::door::Door;
use super::means::Means;
use super::policy::{Policy, Stream};
use super::refusal::Stop;
use crate::meter::{Meter, Quota};

/// No handle is made to have a number from here on: Linux's usual RLIMIT_NOFILE.
const HIGHEST: usize = 1024;

/// A call's handles by their numbers.
pub(super) struct Handles(Vec<Option<Handle>>);

/// What a handle's number stands for.
#[derive(Clone)]
pub(super) enum Handle {
    /// A standard stream, which leads where the policy says.
    Standard(Door),
    /// A file, or a stream that the host has handed over.
    Open(Open),
    /// The kernel's random numbers.
    Random,
}

/// An open file or stream.
#[derive(Clone)]
pub(super) struct Open {
    descriptor: Descriptor,
    pub(super) kind: Kind,
    /// Shared, as the descriptor is.
    means: Arc<Means>,
}

#[derive(Clone)]
enum Descriptor {
    Stdin,
    Stdout,
    Stderr,
    Shared(Arc<OwnedFd>),
}

/// How reads and writes wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file: never long.
    File,
    /// A socket: each transfer may be told not to.
    Socket,
    /// A pipe, a terminal or a device: for as long as somebody else likes.
    Stream,
}

impl Handles {
    /// The three that every guest starts with.
    pub(super) fn new() -> Self {
        let standard = [Door::Stdin, Door::Stdout, Door::Stderr];
        Self(standard.map(|door| Some(Handle::Standard(door))).into())
    }

    /// Takes note of one more; answers its number, the lowest that is free.
    pub(super) fn insert(&mut self, handle: Handle, meter: &mut Meter) -> Result<u64, Stop> {
        meter.allow(Quota::Handles, 1)?;
        Ok(self.put(handle, meter))
    }

    /// As [`Handles::insert`], where the quota is known to have room.
    pub(super) fn put(&mut self, handle: Handle, meter: &mut Meter) -> u64 {
        meter.take(Quota::Handles, 1);
        let free = self.0.iter().position(Option::is_none);
        let number = free.unwrap_or(self.0.len());
        match self.0.get_mut(number) {
            Some(place) => *place = Some(handle),
            None => self.0.push(Some(handle)),
        }
        number as u64
    }

    /// What the number stands for.
    pub(super) fn get(&self, number: u64) -> Result<&Handle, Stop> {
        usize::try_from(number)
            .ok()
            .and_then(|number| self.0.get(number)?.as_ref())
            .ok_or(Stop::Errno(Errno::BADF))
    }

    /// Has another number, the lowest that is free from `lowest` on, stand for the same.
    pub(super) fn duplicate(
        &mut self,
        number: u64,
        lowest: u64,
        meter: &mut Meter,
    ) -> Result<u64, Stop> {
        let most = self.0.len().saturating_add(1) as u64;
        let free = (lowest..most.max(lowest.saturating_add(1)))
            .find(|number| self.get(*number).is_err())
            .ok_or(Errno::MFILE)?;
        self.duplicate_to(number, free, meter)
    }

    /// Has `to` stand for what `number` does; what it stood for before is closed.
    pub(super) fn duplicate_to(
        &mut self,
        number: u64,
        to: u64,
        meter: &mut Meter,
    ) -> Result<u64, Stop> {
        let handle = self.get(number)?.clone();
        if number == to {
            return Ok(to);
        }
        let place = usize::try_from(to).ok().filter(|place| *place < HIGHEST);
        let place = place.ok_or(Errno::BADF)?;
        let _ = self.close(to, meter);
        meter.allow(Quota::Handles, 1)?;
        meter.take(Quota::Handles, 1);
        if self.0.len() <= place {
            self.0.resize_with(place + 1, || None);
        }
        if let Some(free) = self.0.get_mut(place) {
            *free = Some(handle);
        }
        Ok(to)
    }

    /// Forgets the number, and closes what it stood for.
    pub(super) fn close(&mut self, number: u64, meter: &mut Meter) -> Result<(), Stop> {
        let place = usize::try_from(number)
            .ok()
            .and_then(|number| self.0.get_mut(number));
        match place.and_then(Option::take) {
            Some(Handle::Standard(_)) => Ok(()),
            Some(Handle::Open(_) | Handle::Random) => {
                meter.give_back(Quota::Handles, 1);
                Ok(())
            }
            None => Err(Errno::BADF.into()),
        }
    }
}

impl Open {
    /// Finds out what kind it is.
    pub(super) fn new(descriptor: OwnedFd) -> Result<Self, Errno> {
        Self::of(Descriptor::Shared(Arc::new(descriptor)), Means::default())
    }

    /// What was opened for the guest alone, with O_NONBLOCK.
    pub(super) fn private(descriptor: OwnedFd) -> Result<Self, Errno> {
        Self::of(Descriptor::Shared(Arc::new(descriptor)), Means::private())
    }

    /// Where a standard stream leads, if its door is open.
    pub(super) fn standard(policy: &Policy, door: Door) -> Result<Self, Stop> {
        let descriptor = match (policy.stream(door), door) {
            (Stream::Denied, _) => return Err(Stop::denied(door, "")),
            (Stream::To(descriptor), _) => Descriptor::Shared(Arc::clone(descriptor)),
            (Stream::Own, Door::Stdin) => Descriptor::Stdin,
            (Stream::Own, Door::Stdout) => Descriptor::Stdout,
            (Stream::Own, _) => Descriptor::Stderr,
        };
        Ok(Self::of(descriptor, Means::default())?)
    }

    fn of(descriptor: Descriptor, means: Means) -> Result<Self, Errno> {
        let kind = match FileType::from_raw_mode(fstat(descriptor.borrow())?.st_mode) {
            FileType::RegularFile | FileType::Directory => Kind::File,
            FileType::Socket => Kind::Socket,
            _ => Kind::Stream,
        };
        Ok(Self {
            descriptor,
            kind,
            means: Arc::new(means),
        })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.borrow()
    }

    /// How its transfers are kept from waiting.
    pub(super) fn means(&self) -> &Means {
        &self.means
    }
}

impl Descriptor {
    fn borrow(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdin => rustix::stdio::stdin(),
            Self::Stdout => rustix::stdio::stdout(),
            Self::Stderr => rustix::stdio::stderr(),
            Self::Shared(descriptor) => descriptor.as_fd(),
        }
    }
}

/// What a handle's writes count against.
pub(super) const fn quota_of_writes(number: u64) -> Quota {
    match number {
        handle::STDOUT | handle::STDERR => Quota::Output,
        _ => Quota::BytesWritten,
    }
}
