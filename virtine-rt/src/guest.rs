//! What runs in ring 3 of the virtual machine besides the user's code.
//!
//! One call flows through `entry` to the shim that `__virtine_entry!`
//! makes beside the user's function (see `shim`), and leaves through `exit`.

pub(crate) mod door;
mod entry;
pub mod exit;
mod heap;
pub mod host;
mod hypercall;
mod image;
mod mem;
mod panic;

pub use entry::{arguments, protect, start, told};

/// What std would say of an error of the host's.
fn describe(errno: door::Errno) -> crate::io::Error {
    errno.into()
}
