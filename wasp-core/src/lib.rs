//! Functions that run in virtual machines of their own.
//!
//! ```ignore
//! use wasp_core::virtine;
//!
//! #[virtine]
//! fn square(x: i32) -> i32 {
//!     x * x
//! }
//!
//! assert_eq!(square(12), 144);                 // a failure would panic with its cause
//! assert_eq!(square::try_call(12)?, 144);      // or come back as an `Error`
//! ```
//!
//! The package's `build.rs` must be `fn main() { virtine_build::build() }`; it compiles each
//! annotated function, with all that it reaches, into a guest image.
//!
//! Below the macro lies the virtual machine itself, for guests of any making: [`Virtine`], and
//! [`Cache`], which keeps some ready.
//!
//! One call passes through these modules, top to bottom and back:
//!
//! | module | what it does |
//! |---|---|
//! | `function` | the handle that the macro emits: encode arguments, run, decode the result |
//! | `pool` | machines that are ready to run, kept per function |
//! | `template`, `layout` | an image laid out in memory and brought to its snapshot; resets machines to it |
//! | `guest` | what the exits of a guest with the runtime's ABI mean |
//! | `machine` | one VM with one vCPU: registers in, `KVM_RUN`, exit out |
//! | `watchdog` | the deadline that holds |
//! | `memory`, `memory_file` | guest memory: bounds-checked copies; the file that clean pages share |
//! | `arch` | what x86-64 wants: page tables, descriptors, exception stubs, control registers |
//! | `kvm` | `/dev/kvm`, opened and checked once |
//!
//! Raw guests share all below `guest`; theirs are `virtine`, `cache`, `snapshot`, `mode`,
//! `registers` and `address`.

mod address;
mod arch;
mod cache;
mod error;
mod exit;
mod function;
mod guest;
mod kvm;
mod layout;
mod machine;
mod memory;
mod memory_file;
mod mode;
mod pool;
mod process;
mod registers;
mod snapshot;
mod template;
mod virtine;
mod watchdog;

pub use address::GuestAddress;
pub use cache::{Cache, CacheBuilder, Lease};
pub use error::{Error, Panic};
pub use exit::{Direction, Exception, Exit, Fault};
pub use mode::Mode;
pub use registers::{DescriptorTable, FloatRegisters, Registers, Segment, SpecialRegisters};
pub use virtine::{Builder, Canceller, EXIT_PORT, Virtine};
pub use virtine_rt::abi::image::ImageError;
pub use wasp_macros::virtine;

/// What the expansion of [`virtine`] refers to; no part of the public surface.
#[doc(hidden)]
pub mod expansion {
    pub use std::vec::Vec;

    pub use virtine_rt::codec::{ArrayForm, Ordered};

    pub use crate::function::{Arguments, Definition, Function, check_length};
}
