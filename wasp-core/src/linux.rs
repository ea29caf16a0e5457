//! Linux programs in virtual machines: what is static and needs one thread runs as it is.
//!
//! | module | what it does |
//! |---|---|
//! | `program` | the handle: arguments, environment, streams, policy, deadline |
//! | `elf`, `layout`, `stack` | the file, where it lies, and what it finds on its stack |
//! | `boot` | a program of `#[virtine(std)]`, started once and kept as a snapshot |
//! | `run` | run it, answer its system calls, until it ends |
//! | `dispatch`, `names` | the closed list of system calls, and the names of all |
//! | `memory`, `mapping`, `address_space` | `mmap` and its kin; page tables that follow; the books |
//! | `files`, `entries`, `attributes`, `stat` | paths, handles and directories, through the doors |
//! | `sockets` | streams that were handed over |
//! | `time`, `signals`, `identity` | what one thread without a kernel is told of them |

mod address_space;
mod attributes;
mod boot;
mod dispatch;
mod elf;
mod entries;
mod files;
mod identity;
mod layout;
mod mapping;
mod memory;
mod names;
mod process;
mod program;
mod run;
mod signals;
mod sockets;
mod stack;
mod stat;
mod time;

pub(crate) use address_space::AddressSpace;
#[cfg(fuzzing)]
pub(crate) use address_space::Protection;
pub(crate) use boot::{Booted, boot};
#[cfg(fuzzing)]
pub(crate) use dispatch::Outcome;
pub use elf::ElfError;
pub(crate) use process::Process;
#[cfg(fuzzing)]
pub(crate) use process::{Given, Next, SystemCall};
pub use program::{Finished, Output, Program, Status};
pub(crate) use run::{End, is_system_call};
