//! What holds a guest.

use std::fmt;

/// What holds a guest.
///
/// # Which one is used
///
/// 1. What the program says by [`use_backend`](crate::use_backend) before its first virtine.
/// 2. Otherwise the environment variable `WASP_BACKEND`: `kvm`, `process`, or `auto` for KVM where it can be used and
///    processes elsewhere.
/// 3. Otherwise KVM.
///
/// A call whose policy says [`Policy::require_backend`](crate::Policy::require_backend) never runs by another one.
/// Where KVM is used and cannot be, calls fail: nothing changes to processes by itself. The first time that `auto` does,
/// it says so on standard error and by an event of `tracing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// A virtual machine of KVM's: the processor isolates the guest.
    Kvm,
    /// A process that may make no system call: the kernel isolates the guest. A weaker boundary, for hosts without
    /// /dev/kvm.
    Process,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "kvm",
            Self::Process => "process",
        })
    }
}
