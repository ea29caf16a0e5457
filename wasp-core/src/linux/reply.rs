//! What a program's host does after a system call.

use crate::base::status::Status;
use crate::host::call_error::CallError;

/// What becomes of a program after a system call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SystemCallReply {
    /// It goes on, with this in RAX.
    Answer(u64),
    /// It goes on, with 0 in RAX and this as its thread pointer.
    SetThreadPointer(u64),
    /// It goes on with 0 in RAX, once its thread pointer is at this address.
    StoreThreadPointer(u64),
    /// It is done.
    Exit(Status),
    /// Its call is over.
    Failed(CallError),
}
