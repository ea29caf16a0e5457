//! Static Linux programs in virtual machines: run them, answer their system calls.

pub(crate) mod initial_pages;
pub(crate) mod layout;
pub(crate) mod mapping;
pub(crate) mod names;
pub(crate) mod personality;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod reply;
pub(crate) mod signal_state;
pub(crate) mod stack;
pub(crate) mod syscalls;
pub(crate) mod system_call_error;

pub use crate::base::elf_error::ElfError;
pub use crate::base::status::Status;
pub use program::{Finished, Output, Program};
