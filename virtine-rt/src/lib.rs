//! The guest's side of a virtine, and what guest and host share.
//!
//! | part | who links it |
//! |---|---|
//! | [`abi`], [`codec`] | guest and host |
//! | `guest` (feature `guest`): entry points, hypercalls, heap, panic handler, mem functions | guest |
//! | `facade` (feature `guest`): the parts of `std` that need no operating system | guest |
//!
//! | `guest` (feature `std`): the same entry points for guests with the real std | guest |
//!
//! `virtine-build` compiles the user's sliced source with this crate under the name `std`, so that rustc itself takes
//! prelude and macros from here and the source needs no change. Do not depend on this crate directly.
#![no_std]
// The mem functions are loops that LLVM would otherwise turn into calls of themselves.
#![cfg_attr(feature = "guest", no_builtins)]

extern crate alloc as alloc_crate;

pub mod abi;
mod assembly;
pub mod codec;

#[cfg(any(feature = "guest", feature = "std"))]
#[macro_use]
mod shim;

#[cfg(feature = "guest")]
pub mod guest;

#[cfg(feature = "std")]
extern crate std;
#[cfg(feature = "std")]
#[path = "std_guest.rs"]
pub mod guest;
#[cfg(feature = "std")]
pub use std::{compile_error, concat, unreachable, vec};

#[cfg(feature = "guest")]
mod facade;
#[cfg(feature = "guest")]
pub use facade::*;

/// The path of this crate's sources, for `virtine-build`, which compiles them again for the guest.
pub const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");

/// The linker script of guest programs.
pub const LINKER_SCRIPT: &str = include_str!("../guest.ld");
