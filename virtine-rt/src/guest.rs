//! What runs in ring 3 of the virtual machine besides the user's code.
//!
//! One call flows through `entry` to the shim that `__virtine_entry!`
//! makes beside the user's function (see `shim`), and leaves through `exit`.

mod describe;
mod done;
mod entry;
pub mod exit;
mod heap;
pub mod host;
mod image;
mod never;
mod panic;
pub(crate) mod request;
mod result;

pub use entry::{arguments, protect, start, told};
