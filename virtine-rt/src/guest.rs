//! The code that runs in ring 3 of the virtual machine besides the user's.
//!
//! A call goes through `entry` to the shim that `__virtine_entry!` puts beside the user's function (see `shim`), and
//! leaves through `exit`.

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
