//! The KVM backend, on x86-64.

mod exits;
pub(crate) mod host;
mod ioctl;
pub(crate) mod mapped_memory;
mod msrs;
#[cfg(feature = "seccomp")]
pub mod seccomp;
pub(crate) mod setup;
pub(crate) mod snapshot;
mod user_mode_monitor;
pub(crate) mod vcpu;
pub(crate) mod vcpu_state;
pub(crate) mod vm;
pub(crate) mod x86_64;
