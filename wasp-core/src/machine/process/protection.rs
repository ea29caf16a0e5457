//! Rights of pages, as `mmap` and `mprotect` are told them.

use crate::memory::address_space::Protection;

/// PROT_READ, PROT_WRITE and PROT_EXEC: what can be reached at all can be read, as on KVM.
pub(super) fn bits(protection: Protection) -> u64 {
    if !protection.is_accessible() {
        return libc::PROT_NONE as u64;
    }
    let mut bits = libc::PROT_READ;
    if protection.write {
        bits |= libc::PROT_WRITE;
    }
    if protection.execute {
        bits |= libc::PROT_EXEC;
    }
    bits as u64
}
