//! All errors for which a virtine returns no result.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use virtine_rt::abi::image::ImageError;

use crate::base::backend::Backend;
use crate::base::capability::Capability;
use crate::base::elf_error::ElfError;
use crate::base::ended::Ended;
use crate::base::exit::Fault;
use crate::base::quota::Quota;
use crate::base::refusal::Refusal;

/// Why a call of a virtine returned no result.
///
/// The host is unharmed in every case, and the next call starts from a fresh state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no `/dev/kvm`.
    #[error(
        "no /dev/kvm on this machine: load the kernel module kvm_intel or kvm_amd \
         (`modprobe kvm_amd`), and switch virtualization on in the firmware or, inside a virtual \
         machine, nested virtualization on its host; or run guests as processes that may make no system call, a \
         weaker boundary: WASP_BACKEND=process, or WASP_BACKEND=auto for KVM where there is one"
    )]
    KvmMissing,
    /// `/dev/kvm` exists, but this user may not open it.
    #[error(
        "no permission to open /dev/kvm: it belongs to the group `{group}`; join it with \
         `sudo usermod -aG {group} $USER` and log in again"
    )]
    KvmDenied {
        /// The group that may open it.
        group: String,
    },
    /// `/dev/kvm` exists, but this user may not open it, and there is no group to join for that.
    #[error(
        "no permission to open /dev/kvm: expected a group of its own with the mode 0660, found {found}; \
         allow this user with `sudo setfacl -m u:$USER:rw /dev/kvm`, or everybody in the group kvm with the udev rule \
         `KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0660\"`; in a container, pass the device in \
         (`--device /dev/kvm`, or a device plugin of Kubernetes); or run guests as processes that may make no system \
         call, a weaker boundary: WASP_BACKEND=process"
    )]
    KvmClosed {
        /// The mode, owner and group of the device.
        found: String,
    },
    /// The kernel's KVM lacks something that every virtine needs.
    #[error(
        "the KVM of this kernel is too old: expected {expected}, available since Linux {since}"
    )]
    KvmTooOld {
        /// The capability that is missing.
        expected: &'static str,
        /// The kernel version that introduced it.
        since: &'static str,
    },
    /// The CPU, as the kernel sees it, lacks something that every virtine needs.
    #[error(
        "the processor has no {expected}: it is older than 2011, or the hypervisor that this machine runs \
         in hides it, or the kernel was told to leave it off (`noxsave`); no newer kernel mends that"
    )]
    ProcessorLacks {
        /// What is missing.
        expected: &'static str,
    },
    /// Guests cannot run as processes here: see [`Backend::Process`](crate::Backend::Process).
    #[error("guests cannot run as processes here: {reason}")]
    ProcessBackend {
        /// What was expected, and what was found.
        reason: String,
    },
    /// Only KVM can do this, and guests run as processes.
    #[error(
        "{feature} needs KVM, and guests run as processes here (WASP_BACKEND=process, or `auto` without /dev/kvm)"
    )]
    NeedsKvm {
        /// What was asked for.
        feature: &'static str,
    },
    /// The call's policy requires another backend than its guest has.
    #[error(
        "the policy requires the backend {required}, and this guest is held by {found}; \
         #[virtine(backend = \"{required}\")] gives the function that one"
    )]
    WrongBackend {
        /// What [`Policy::require_backend`](crate::Policy::require_backend) says.
        required: Backend,
        /// What holds the guest.
        found: Backend,
    },
    /// WASP_BACKEND says something else than it can.
    #[error("expected WASP_BACKEND to be kvm, process or auto, found {found:?}")]
    UnknownBackend {
        /// What it says.
        found: String,
    },
    /// A backend was chosen after the first virtine.
    #[error("use_backend comes too late: virtines run by {chosen} already")]
    BackendInUse {
        /// What virtines run by.
        chosen: Backend,
    },
    /// The process is a child, by `fork`, of one that uses virtines.
    #[error(
        "virtines cannot be used in a forked child of a process that has used them; \
         run the child's program by exec, or fork before the first virtine"
    )]
    Forked,
    /// The host has no memory left (ENOMEM).
    #[error(
        "{operation} failed: the host is out of memory; hold fewer virtines (`Cache::trim`, \
         `CacheBuilder::limit`), or raise RLIMIT_AS or the control group's limit"
    )]
    HostOutOfMemory {
        /// The operation, by its name in the KVM API document or of the system call.
        operation: &'static str,
    },
    /// The process, or the whole system, may have no more open files (EMFILE, ENFILE).
    #[error(
        "{operation} failed: no more files can be opened; every virtine takes two, or four as a process, \
         and every image one: raise RLIMIT_NOFILE (`ulimit -n`) or hold fewer virtines"
    )]
    TooManyFiles {
        /// The operation, by its name in the KVM API document or of the system call.
        operation: &'static str,
    },
    /// A file may not be that large (EFBIG). Virtines start from a file in memory as large as their own memory.
    #[error(
        "{operation} failed: a virtine's memory is larger than RLIMIT_FSIZE lets a file be; raise it \
         (`ulimit -f`), or grant less memory"
    )]
    FileTooLarge {
        /// The operation, by its name in the KVM API document or of the system call.
        operation: &'static str,
    },
    /// The process may not do this (EPERM, EACCES).
    #[error(
        "{operation} was not permitted; look for a seccomp filter, a security module or a container \
         that keeps the process from KVM"
    )]
    NotPermitted {
        /// The operation, by its name in the KVM API document or of the system call.
        operation: &'static str,
    },
    /// The kernel cannot do it now (EAGAIN).
    #[error(
        "{operation} failed for now: the kernel is short of something, threads perhaps \
         (RLIMIT_NPROC); try again"
    )]
    TryAgain {
        /// The operation, by its name in the KVM API document or of the system call.
        operation: &'static str,
    },
    /// The kernel refused an operation for another reason.
    #[error("{operation} failed: {source}")]
    System {
        /// The operation, by its name in the KVM API document or of the system call.
        operation: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A signal that the watchdog cannot use.
    #[error("signal {number} cannot be used to end runs: {reason}")]
    Signal {
        /// Its number.
        number: i32,
        /// Why it cannot be used.
        reason: &'static str,
    },
    /// The filter of system calls cannot be created or installed: see the module `seccomp`.
    #[error("cannot make the seccomp filter: {reason}")]
    Seccomp {
        /// Why it cannot be.
        reason: String,
    },
    /// A raw guest cannot have this much memory.
    #[error("expected memory in multiples of 4096 bytes, from 4096 to {largest}, found {found}")]
    MemorySize {
        /// Bytes asked for.
        found: u64,
        /// The most that the mode allows.
        largest: u64,
    },
    /// Addresses outside a raw guest's memory.
    #[error("{length} bytes at {address:#x} do not lie in the guest's {memory:#x} bytes of memory")]
    OutOfBounds {
        /// The guest address.
        address: u64,
        /// Length in bytes of the range.
        length: u64,
        /// Bytes of the guest's memory.
        memory: u64,
    },
    /// A cache takes no snapshot of this virtine.
    #[error("cannot take a snapshot: {reason}")]
    SnapshotRefused {
        /// Why it takes none.
        reason: &'static str,
    },
    /// A raw guest's image cannot be read.
    #[error("cannot read the image {}: {source}", path.display())]
    ReadImage {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// The image that was compiled in cannot be run.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file is not a program that can be run.
    #[error(transparent)]
    Program(#[from] ElfError),
    /// The program was built without guest images.
    #[error(
        "`{function}` has no guest image: the program was built with DOCS_RS set, which leaves \
         guests out"
    )]
    NotBuilt {
        /// The function's name.
        function: &'static str,
    },
    /// The encoded arguments are larger than the guest's free memory.
    #[error(
        "the arguments take {needed} bytes, but the virtine has {available} of its {memory} bytes \
         of memory free for them; raise it: #[virtine(memory = \"...\")]"
    )]
    ArgumentsTooLarge {
        /// Bytes that the encoded arguments take.
        needed: u64,
        /// Bytes that are free.
        available: u64,
        /// Bytes granted in total.
        memory: u64,
    },
    /// An argument's own `Serialize` failed.
    #[error("an argument cannot be encoded: {reason}")]
    Argument {
        /// The serializer's message.
        reason: String,
    },
    /// The guest panicked.
    #[error("{0}")]
    Panicked(Panic),
    /// The guest's heap was exhausted.
    #[error(
        "out of memory in the virtine: an allocation of {requested} bytes failed, {memory} bytes \
         are granted in all; raise it: #[virtine(memory = \"...\")]"
    )]
    OutOfMemory {
        /// Size in bytes of the allocation that failed, as reported by the guest.
        requested: u64,
        /// Bytes granted in total.
        memory: u64,
    },
    /// A guest under a strict policy asked for something that the policy does not grant.
    #[error("the virtine was stopped: {}", Refusal::denied(*capability, argument))]
    Denied {
        /// The capability that the policy does not grant.
        capability: Capability,
        /// What was asked for: a path or a variable's name. Empty if the capability covers only one thing.
        argument: String,
    },
    /// The guest used up one of its policy's quotas. If the policy is not strict, only too many hypercalls end a call.
    /// When any other quota is used up, the guest gets an error.
    #[error("the virtine was stopped: {}", Refusal::QuotaExceeded { quota: *quota, limit: *limit })]
    QuotaExceeded {
        /// The quota that is used up.
        quota: Quota,
        /// The quota's limit.
        limit: u64,
    },
    /// A host function that the guest called gave no result.
    #[error("the host function `{function}` {reason}")]
    HostFunction {
        /// The function's name.
        function: String,
        /// That it panicked, with its message, or that its result cannot be encoded.
        reason: String,
    },
    /// A host function called the virtine that had called it.
    #[error("`{function}` was called by a host function that it had called itself")]
    Reentered {
        /// The virtine's name.
        function: &'static str,
    },
    /// The guest ended like a program, by `std::process::exit`, so its call has no result.
    #[error("the virtine exited with code {code}, so its call has no result")]
    Exited {
        /// The code, from 0 to 255.
        code: i32,
    },
    /// The guest killed itself with a signal, as `std::process::abort` does.
    #[error("the virtine ended itself by signal {signal}")]
    Killed {
        /// The signal's number.
        signal: u8,
    },
    /// The guest did something that no guest may do.
    #[error("the virtine was stopped: {0}")]
    Fault(Fault),
    /// The guest ran longer than its deadline allows.
    #[error("the virtine did not return within {limit:?}; raise it: #[virtine(timeout = \"...\")]")]
    TimedOut {
        /// The deadline.
        limit: Duration,
    },
    /// A [`CancelToken`](crate::CancelToken) ended the call.
    #[error("the call was cancelled")]
    Cancelled,
    /// The guest's result is not a value of the function's type.
    #[error("the virtine's result is not a value of its type: {reason}")]
    CorruptResult {
        /// What is wrong with it.
        reason: String,
    },
    /// All machines that this function may have are in use, and none became free in time.
    #[error("all {limit} machines of the virtine were in use for {waited:?}")]
    Busy {
        /// Machines that one function may have at a time.
        limit: usize,
        /// How long the call waited for one.
        waited: Duration,
    },
}

impl Error {
    /// Names the operation that the kernel refused.
    pub(crate) fn system(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.raw_os_error() {
            Some(libc::ENOMEM) => Self::HostOutOfMemory { operation },
            Some(libc::EMFILE | libc::ENFILE) => Self::TooManyFiles { operation },
            Some(libc::EFBIG) => Self::FileTooLarge { operation },
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted { operation },
            Some(libc::EAGAIN) => Self::TryAgain { operation },
            _ => Self::System { operation, source },
        }
    }

    /// The error for a call with this time limit that was ended from outside.
    pub(crate) const fn ended(ended: Ended, limit: Duration) -> Self {
        match ended {
            Ended::TimedOut => Self::TimedOut { limit },
            Ended::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied {
                capability,
                argument,
            } => Self::Denied {
                capability,
                argument,
            },
            Refusal::QuotaExceeded { quota, limit } => Self::QuotaExceeded { quota, limit },
        }
    }
}

/// A panic inside a virtine, as the guest reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Panic {
    /// The message, cut to 4,096 bytes.
    pub message: String,
    /// The source file as the compiler names it. Empty if the guest reported none.
    pub file: String,
    /// Line in the file, from 1. 0 if the guest reported none.
    pub line: u32,
    /// Column in the line, from 1.
    pub column: u32,
    /// The last refusal that the guest got before, most likely the cause of the panic.
    pub refusal: Option<Refusal>,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            message,
            file,
            line,
            column,
            refusal,
        } = self;
        match line {
            0 => write!(f, "panicked in the virtine: {message}"),
            _ => write!(
                f,
                "panicked in the virtine at {file}:{line}:{column}: {message}"
            ),
        }?;
        match refusal {
            Some(refusal) => write!(f, " (before, the virtine was refused something: {refusal})"),
            None => Ok(()),
        }
    }
}
