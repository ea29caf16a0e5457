//! How a program continues after a system call.

use crate::base::status::Status;
use crate::host::call_error::CallError;

/// How a program continues after a system call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SystemCallReply {
    /// It resumes, with this value in RAX.
    Answer(u64),
    /// It resumes, with 0 in RAX and this as its thread pointer.
    SetThreadPointer(u64),
    /// It resumes with 0 in RAX, once its thread pointer is stored at this address.
    StoreThreadPointer(u64),
    /// It has exited.
    Exit(Status),
    /// Its call has failed.
    Failed(CallError),
}
