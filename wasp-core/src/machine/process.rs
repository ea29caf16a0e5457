//! Machines that are processes without system calls: for hosts without KVM.
//!
//! A guest's memory is a process's, at the same addresses. What leaves a virtual machine by an exit, leaves such a
//! process by a signal or a system call, and both end at the host: the process has a seccomp filter that permits
//! nothing, and the host is its listener.
//!
//! | | |
//! |---|---|
//! | `plan`, `state`, `protection` | what a machine is to be, what its guest starts with, and what it may do with pages |
//! | `support` | what this kernel and processor offer |
//! | `layout`, `assembly` | where host's pages lie in a child, and the code in them |
//! | `executable`, `zygote` | the process that makes children, and its program |
//! | `script` | the system calls by which a child becomes a machine, the filter among them |
//! | `child`, `listener`, `control` | a child, its questions, and the pages that it shares with the host |
//! | `frame`, `instruction` | what a guest's registers were when it stopped, and what it wanted of a port |
//! | `dirty`, `restore` | which pages it has written, and how they get back |
//! | `machine`, `mapped_memory`, `snapshot` | the backend: what [`Machine`](super::Machine) asks for |

mod assembly;
mod child;
mod control;
mod dirty;
mod executable;
mod frame;
mod instruction;
mod layout;
mod listener;
pub(crate) mod machine;
pub(crate) mod mapped_memory;
pub(crate) mod plan;
mod protection;
mod restore;
mod script;
pub(crate) mod snapshot;
pub(crate) mod state;
mod support;
mod zygote;
