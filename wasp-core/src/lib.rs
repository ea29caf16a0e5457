//! Functions that run in their own virtual machines.
//!
//! ```ignore
//! use wasp_core::virtine;
//!
//! #[virtine]
//! fn square(x: i32) -> i32 {
//!     x * x
//! }
//!
//! assert_eq!(square(12), 144);                 // panics with the cause if the virtine fails
//! assert_eq!(square::try_call(12)?, 144);      // returns the error instead
//! ```
//!
//! The package's `build.rs` must be `fn main() { virtine_build::build() }`. It compiles each annotated function, and
//! everything that the function reaches, into a guest image. See [`virtine`] for the attribute's keys.
//!
//! [`Virtine`] is a virtual machine for any guest code. [`Cache`] keeps such machines ready. [`linux::Program`] runs
//! static Linux executables.
//!
//! # Rooms
//!
//! A room imports only from rooms above it in this table. Within a room, imports form no cycle.
//!
//! | room | contents |
//! |---|---|
//! | `base` | errors, exits, hypercall numbers, capability names, addresses |
//! | `limits` | deadlines, the watchdog thread, cancelling, the meter of a call |
//! | `memory` | guest memory and its checked copies, address spaces, image files, ELF files |
//! | `decode` | bytes from a guest to values, bounded in depth, memory and time |
//! | `host` | capabilities: policies, paths, files, streams, clocks, host functions, handles |
//! | `machine` | the seam: `Machine`, `Entry`, `Stop`; `machine/kvm` and `machine/process` are the backends |
//! | `service` | the loop that runs a guest and answers it, until it ends |
//! | `pool` | machines of one image: taken, returned, cleaned, replaced |
//! | `linux` | static Linux programs, and the answers to their system calls |
//! | `guest` | functions: memory layout, snapshot, the runtime's protocol, file and line of a fault |
//! | `function` | the handle that the macro emits: one call |
//! | `raw` | `Virtine` and `Cache`: any guest code, with x86 registers exposed |

mod base;
mod decode;
mod function;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod host;
mod limits;
pub mod linux;
mod machine;
mod memory;
mod pool;
mod raw;
mod service;

pub use base::address::GuestAddress;
pub use base::backend::Backend;
pub use base::capability::Capability;
pub use base::error::{Error, Panic};
pub use base::exit::{Direction, Exception, Exit, Fault, Place};
pub use base::hypercall::{HYPERCALL_PORT, Hypercall, SNAPSHOT_HYPERCALL};
pub use base::quota::Quota;
pub use base::refusal::Refusal;
pub use host::functions::HostFunction;
pub use host::policy::Policy;
pub use limits::cancel::{CancelToken, Canceller};
pub use limits::watchdog::use_signal;
pub use machine::backend::{backend, use_backend};
#[cfg(feature = "seccomp")]
pub use machine::kvm::seccomp;
pub use raw::cache::{Cache, CacheBuilder, Lease};
pub use raw::mode::Mode;
pub use raw::registers::{DescriptorTable, FloatRegisters, Registers, Segment, SpecialRegisters};
pub use raw::virtine::{Builder, EXIT_PORT, Virtine};
pub use virtine_rt::abi::image::ImageError;
pub use wasp_macros::virtine;

/// Items that the expansion of [`virtine`] refers to. Not part of the public API.
#[doc(hidden)]
pub mod expansion {
    pub use std::vec::Vec;

    pub use virtine_rt::codec::form;
    pub use virtine_rt::codec::plain::Changed;

    pub use crate::function::arguments::Arguments;
    pub use crate::function::handle::{Carries, Definition, Function, Guest, Options};
    pub use crate::function::io_result::IoForm;
    pub use crate::function::returned::{Memory, Mismatch, Returned, check_length};
}
