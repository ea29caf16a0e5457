//! Errors of KVM's ioctls.

use std::io;

use crate::Error;

/// Names the ioctl that the kernel refused, as the KVM API document spells it.
pub(super) fn refused(operation: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Error {
    move |errno| Error::system(operation)(io::Error::from_raw_os_error(errno.errno()))
}
