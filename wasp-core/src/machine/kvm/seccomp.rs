//! A seccomp filter (Linux 3.17) that leaves a process only the ioctls that virtines need. KVM has some two hundred;
//! with the filter, no code in the process can create in-kernel devices, interrupt controllers or nested state. All
//! other system calls are unaffected. `docs/seccomp.md` has the list.
//!
//! ```no_run
//! # fn main() -> Result<(), wasp_core::Error> {
//! wasp_core::seccomp::install(&[])?;
//! # Ok(())
//! # }
//! ```
//!
//! A program with its own filter adds the requests of [`REQUESTS`] to it.

use std::collections::BTreeMap;
use std::env;

use kvm_bindings::{
    kvm_cpuid2, kvm_debugregs, kvm_fpu, kvm_msr_filter, kvm_msr_list, kvm_msrs, kvm_sregs,
    kvm_userspace_memory_region, kvm_vcpu_events, kvm_xcrs, kvm_xsave,
};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

pub use seccompiler::BpfProgram;

use crate::Error;

/// A KVM request without an argument in memory (include/uapi/asm-generic/ioctl.h).
const fn plain(number: u32) -> u32 {
    0xae00 | number
}

/// A request for which the kernel reads a `T`.
const fn given<T>(number: u32) -> u32 {
    1 << 30 | (size_of::<T>() as u32) << 16 | plain(number)
}

/// A request for which the kernel writes a `T`.
const fn taken<T>(number: u32) -> u32 {
    2 << 30 | (size_of::<T>() as u32) << 16 | plain(number)
}

/// A request for which the kernel reads and writes a `T`.
const fn exchanged<T>(number: u32) -> u32 {
    given::<T>(number) | taken::<T>(number)
}

/// The ioctl requests of a process with virtines (include/uapi/linux/kvm.h): names and numbers. With the last three,
/// the C library and this one find out whether a descriptor is a terminal.
pub const REQUESTS: [(&str, u32); 34] = [
    ("KVM_GET_API_VERSION", plain(0x00)),
    ("KVM_CREATE_VM", plain(0x01)),
    ("KVM_GET_MSR_INDEX_LIST", exchanged::<kvm_msr_list>(0x02)),
    ("KVM_CHECK_EXTENSION", plain(0x03)),
    ("KVM_GET_VCPU_MMAP_SIZE", plain(0x04)),
    ("KVM_GET_SUPPORTED_CPUID", exchanged::<kvm_cpuid2>(0x05)),
    ("KVM_CREATE_VCPU", plain(0x41)),
    (
        "KVM_SET_USER_MEMORY_REGION",
        given::<kvm_userspace_memory_region>(0x46),
    ),
    ("KVM_SET_TSS_ADDR", plain(0x47)),
    ("KVM_SET_IDENTITY_MAP_ADDR", given::<u64>(0x48)),
    ("KVM_RUN", plain(0x80)),
    ("KVM_GET_SREGS", taken::<kvm_sregs>(0x83)),
    ("KVM_SET_SREGS", given::<kvm_sregs>(0x84)),
    ("KVM_GET_MSRS", exchanged::<kvm_msrs>(0x88)),
    ("KVM_SET_MSRS", given::<kvm_msrs>(0x89)),
    ("KVM_GET_FPU", taken::<kvm_fpu>(0x8c)),
    ("KVM_SET_FPU", given::<kvm_fpu>(0x8d)),
    ("KVM_SET_CPUID2", given::<kvm_cpuid2>(0x90)),
    ("KVM_GET_VCPU_EVENTS", taken::<kvm_vcpu_events>(0x9f)),
    ("KVM_SET_VCPU_EVENTS", given::<kvm_vcpu_events>(0xa0)),
    ("KVM_GET_DEBUGREGS", taken::<kvm_debugregs>(0xa1)),
    ("KVM_SET_DEBUGREGS", given::<kvm_debugregs>(0xa2)),
    ("KVM_GET_XSAVE", taken::<kvm_xsave>(0xa4)),
    ("KVM_SET_XSAVE", given::<kvm_xsave>(0xa5)),
    ("KVM_GET_XCRS", taken::<kvm_xcrs>(0xa6)),
    ("KVM_SET_XCRS", given::<kvm_xcrs>(0xa7)),
    ("KVM_X86_SET_MSR_FILTER", given::<kvm_msr_filter>(0xc6)),
    ("TCGETS", 0x5401),
    ("TCGETS2", 0x802c_542a),
    // Of processes that hold guests (include/uapi/linux/seccomp.h, fs.h).
    ("SECCOMP_IOCTL_NOTIF_RECV", 0xc050_2100),
    ("SECCOMP_IOCTL_NOTIF_SEND", 0xc018_2101),
    ("SECCOMP_IOCTL_NOTIF_SET_FLAGS", 0x4008_2104),
    ("PAGEMAP_SCAN", 0xc060_6610),
    ("TIOCGWINSZ", 0x5413),
];

/// The filter as a program for the kernel. `further` are other requests that the program itself makes by ioctl. All
/// remaining requests fail with EPERM.
///
/// # Errors
///
/// [`Error::Seccomp`] if there are more further requests than a filter can hold, which is some thousand.
pub fn program(further: &[u32]) -> Result<BpfProgram, Error> {
    let allowed = REQUESTS.iter().map(|(_, request)| request).chain(further);
    let differs = |&request| {
        let request = u64::from(request);
        // The kernel takes 32 bits of the number.
        SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, request)
    };
    let none_of_them = allowed.map(differs).collect::<Result<_, _>>();
    let rule = none_of_them.and_then(SeccompRule::new).map_err(refused)?;
    let filter = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_ioctl, vec![rule])]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM as u32),
        env::consts::ARCH.try_into().map_err(refused)?,
    );
    filter.and_then(TryInto::try_into).map_err(refused)
}

/// Installs the filter permanently, for all threads and all programs that they execute. Call it before or after the
/// first virtine.
///
/// # Errors
///
/// [`Error::Seccomp`] as for [`program`], or if the kernel refuses the filter, for instance because a thread has
/// another filter.
pub fn install(further: &[u32]) -> Result<(), Error> {
    seccompiler::apply_filter_all_threads(&program(further)?).map_err(refused)
}

fn refused(error: impl ToString) -> Error {
    Error::Seccomp {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        let number = |wanted| {
            let found = REQUESTS.iter().find(|(name, _)| *name == wanted);
            found.expect("it is listed").1
        };
        for (name, expected) in [
            ("KVM_CREATE_VM", 0xae01),
            ("KVM_GET_MSR_INDEX_LIST", 0xc004_ae02),
            ("KVM_SET_USER_MEMORY_REGION", 0x4020_ae46),
            ("KVM_SET_SREGS", 0x4138_ae84),
            ("KVM_SET_CPUID2", 0x4008_ae90),
            ("KVM_GET_VCPU_EVENTS", 0x8040_ae9f),
            ("KVM_GET_XSAVE", 0x9000_aea4),
            ("KVM_X86_SET_MSR_FILTER", 0x4188_aec6),
        ] {
            assert_eq!(number(name), expected, "{name}");
        }
    }

    #[test]
    fn programs_take_further_requests_until_there_are_too_many() {
        let alone = program(&[]).expect("a program");
        let with_more = program(&[0x5421, 0x541b]).expect("a program");
        assert!(with_more.len() > alone.len());
        let too_many: Vec<u32> = (0..5000).collect();
        assert!(matches!(program(&too_many), Err(Error::Seccomp { .. })));
    }
}
