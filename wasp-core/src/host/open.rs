//! An open file or stream: the descriptor, its rights, and the quota of its writes.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;

use crate::base::capability::Capability;
use crate::base::quota::Quota;
use crate::host::policy::{Policy, Stream};
use crate::host::request_error::RequestError;
use crate::host::rights::Rights;
use crate::host::transfer_modes::TransferModes;

/// An open file or stream.
#[derive(Clone)]
pub(super) struct Open {
    descriptor: Descriptor,
    pub(super) kind: Kind,
    pub(super) rights: Rights,
    /// The quota that its writes count against.
    pub(super) quota: Quota,
    /// The capability of a standard stream.
    pub(super) capability: Option<Capability>,
    /// How its transfers avoid blocking. Shared, like the descriptor.
    means: Arc<TransferModes>,
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
    /// A file: reads and writes never wait long.
    File,
    /// A socket: each transfer can be made non-blocking.
    Socket,
    /// A pipe, a terminal or a device: a transfer may block for as long as the other side likes.
    Stream,
}

impl Open {
    /// A file found under a policy's root and opened with these flags.
    pub(super) fn found(descriptor: OwnedFd, flags: OFlags) -> Result<Self, Errno> {
        let found = file_type(descriptor.as_fd())?;
        let rights = Rights::of(flags, found);
        let changes = flags & OFlags::RWMODE != OFlags::RDONLY;
        let rights = rights.and(Rights::STAMP, changes);
        Ok(Self::other(
            descriptor,
            found,
            rights,
            TransferModes::private(),
        ))
    }

    /// A file or stream that the host has handed over. It has the rights of its descriptor.
    pub(super) fn handed_over(descriptor: OwnedFd) -> Result<Self, Errno> {
        let found = file_type(descriptor.as_fd())?;
        let rights = Rights::of(fcntl_getfl(&descriptor)?, found);
        Ok(Self::other(
            descriptor,
            found,
            rights,
            TransferModes::default(),
        ))
    }

    fn other(descriptor: OwnedFd, found: FileType, rights: Rights, means: TransferModes) -> Self {
        Self {
            descriptor: Descriptor::Shared(Arc::new(descriptor)),
            kind: Kind::of(found),
            rights,
            quota: Quota::BytesWritten,
            capability: None,
            means: Arc::new(means),
        }
    }

    /// The target of a standard stream, if it is granted.
    pub(super) fn standard(policy: &Policy, capability: Capability) -> Result<Self, RequestError> {
        let descriptor = match (policy.stream(capability), capability) {
            (Stream::Denied, _) => return Err(RequestError::denied(capability, "")),
            (Stream::To(descriptor), _) => Descriptor::Shared(Arc::clone(descriptor)),
            (Stream::Inherit, Capability::Stdin) => Descriptor::Stdin,
            (Stream::Inherit, Capability::Stdout) => Descriptor::Stdout,
            (Stream::Inherit, _) => Descriptor::Stderr,
        };
        let found = file_type(descriptor.borrow())?;
        Ok(Self {
            descriptor,
            kind: Kind::of(found),
            rights: match capability {
                Capability::Stdin => Rights::of_input(found),
                _ => Rights::of_output(found),
            },
            quota: Quota::Output,
            capability: Some(capability),
            means: Arc::default(),
        })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.borrow()
    }

    /// The file's length in bytes.
    pub(super) fn length(&self) -> Result<u64, Errno> {
        Ok(u64::try_from(fstat(self.descriptor())?.st_size).unwrap_or(0))
    }

    /// How its transfers avoid blocking.
    pub(super) fn means(&self) -> &TransferModes {
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
