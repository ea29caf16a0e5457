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
//! | `decode`, `caught`, `excerpt` | hostile bytes to values: bounded in depth, memory and time; panics and texts on the way |
//! | `template`, `layout` | where everything lies, and an image booted once to its snapshot |
//! | `pool`, `stock` | the image's machines: taken, given back, cleaned, replaced |
//! | `cleaner`, `shells` | threads that clean behind the callers' backs; machines between two images |
//! | `snapshot` | what machines start from, and how they get back there |
//! | `guest` | what the exits of a guest with the runtime's ABI mean |
//! | `ring3`, `blueprint` | the watch over a guest in ring 3; what a machine is made of for its mode |
//! | `linux` | programs for Linux, and what answers their system calls |
//! | `doors` | what a guest may ask of the host while it runs, and what it gets |
//! | `machine`, `vcpu_state`, `msrs` | one VM with one vCPU: registers in, `KVM_RUN`, exit out |
//! | `meter` | what one call has left: time, memory, quotas |
//! | `watchdog`, `deadline` | who ends a run whose time is over |
//! | `memory`, `memory_file` | guest memory: bounds-checked copies; the file that clean pages share |
//! | `arch` | what x86-64 wants: page tables, descriptors, exception stubs, the gate, control registers |
//! | `kvm` | `/dev/kvm`, opened and checked once |
//!
//! Raw guests share all but the first two and `guest`; theirs are `virtine`, `cache`, `hypercalls`,
//! `mode`, `registers` and `address`.

mod address;
mod arch;
mod blueprint;
mod cache;
mod cancel;
mod caught;
mod cleaner;
mod deadline;
mod decode;
mod doors;
mod error;
mod excerpt;
mod exit;
mod function;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod hypercalls;
mod io_form;
mod kvm;
mod layout;
pub mod linux;
mod machine;
mod memory;
mod memory_file;
mod meter;
mod mode;
mod msrs;
mod places;
mod pool;
mod process;
mod quietly;
mod reentry;
mod registers;
mod ring3;
#[cfg(feature = "seccomp")]
pub mod seccomp;
mod serving;
mod shells;
mod snapshot;
mod stock;
mod sync;
mod template;
mod vcpu_state;
mod virtine;
mod watchdog;

pub use address::GuestAddress;
pub use cache::{Cache, CacheBuilder, Lease};
pub use cancel::{CancelToken, Canceller};
pub use doors::{Door, HostFunction, Policy, Refusal};
pub use error::{Error, Panic};
pub use exit::{Direction, Exception, Exit, Fault, Place};
pub use hypercalls::{HYPERCALL_PORT, Hypercall, SNAPSHOT_HYPERCALL};
pub use meter::Quota;
pub use mode::Mode;
pub use registers::{DescriptorTable, FloatRegisters, Registers, Segment, SpecialRegisters};
pub use virtine::{Builder, EXIT_PORT, Virtine};
pub use virtine_rt::abi::image::ImageError;
pub use wasp_macros::virtine;
pub use watchdog::use_signal;

/// What the expansion of [`virtine`] refers to; no part of the public surface.
#[doc(hidden)]
pub mod expansion {
    pub use std::vec::Vec;

    pub use virtine_rt::codec::form;

    pub use crate::function::{
        Arguments, Carries, Definition, Function, Guest, Mismatch, Options, check_length,
    };
    pub use crate::io_form::IoForm;
}
