//! An open file or stream: the descriptor, what may be done with it, and what its writes count against.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;

use super::door::Door;
use super::means::Means;
use super::policy::{Policy, Stream};
use super::refusal::Stop;
use super::rights::Rights;
use crate::meter::Quota;

/// An open file or stream.
#[derive(Clone)]
pub(super) struct Open {
    descriptor: Descriptor,
    pub(super) kind: Kind,
    pub(super) rights: Rights,
    /// What is written counts against this.
    pub(super) quota: Quota,
    /// The door of a standard stream.
    pub(super) door: Option<Door>,
    /// How its transfers are kept from waiting; shared, as the descriptor is.
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

impl Open {
    /// What a policy's root has led to, opened with these flags.
    pub(super) fn found(descriptor: OwnedFd, flags: OFlags) -> Result<Self, Errno> {
        let found = file_type(descriptor.as_fd())?;
        let rights = Rights::of(flags, found);
        let changes = flags & OFlags::RWMODE != OFlags::RDONLY;
        let rights = rights.and(Rights::STAMP, changes);
        Ok(Self::other(descriptor, found, rights, Means::private()))
    }

    /// What the host has handed over: it may do what its descriptor may.
    pub(super) fn handed_over(descriptor: OwnedFd) -> Result<Self, Errno> {
        let found = file_type(descriptor.as_fd())?;
        let rights = Rights::of(fcntl_getfl(&descriptor)?, found);
        Ok(Self::other(descriptor, found, rights, Means::default()))
    }

    fn other(descriptor: OwnedFd, found: FileType, rights: Rights, means: Means) -> Self {
        Self {
            descriptor: Descriptor::Shared(Arc::new(descriptor)),
            kind: Kind::of(found),
            rights,
            quota: Quota::BytesWritten,
            door: None,
            means: Arc::new(means),
        }
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
        let found = file_type(descriptor.borrow())?;
        Ok(Self {
            descriptor,
            kind: Kind::of(found),
            rights: match door {
                Door::Stdin => Rights::of_input(found),
                _ => Rights::of_output(found),
            },
            quota: Quota::Output,
            door: Some(door),
            means: Arc::default(),
        })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.borrow()
    }

    /// Bytes that a file has.
    pub(super) fn length(&self) -> Result<u64, Errno> {
        Ok(u64::try_from(fstat(self.descriptor())?.st_size).unwrap_or(0))
    }

    /// How its transfers are kept from waiting.
    pub(super) fn means(&self) -> &Means {
        &self.means
    }
}

fn file_type(descriptor: BorrowedFd<'_>) -> Result<FileType, Errno> {
    Ok(FileType::from_raw_mode(fstat(descriptor)?.st_mode))
}

impl Kind {
    const fn of(found: FileType) -> Self {
        match found {
            FileType::RegularFile | FileType::Directory | FileType::BlockDevice => Self::File,
            FileType::Socket => Self::Socket,
            _ => Self::Stream,
        }
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
