//! `/dev/kvm`: opened once per process, checked, and asked for its CPUID.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use kvm_bindings::KVM_MAX_CPUID_ENTRIES;
use kvm_ioctls::{Cap, Kvm, VcpuFd, VmFd};

use crate::Error;
use crate::machine::kvm::ioctl;
use crate::machine::kvm::msrs::ModelRegisters;
use crate::machine::kvm::x86_64::cpuid::GuestCpu;
use crate::machine::kvm::x86_64::extended_states::Processor;

const DEVICE: &str = "/dev/kvm";

/// The API version, stable since Linux 2.6.22 according to the KVM API document.
const API_VERSION: i32 = 12;

/// Capabilities that every virtine needs, and the Linux version that added each.
const NEEDED: [(Cap, &str, &str); 3] = [
    (Cap::UserMemory, "KVM_CAP_USER_MEMORY", "2.6.26"),
    (Cap::ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT", "4.13"),
    (Cap::SyncRegs, "KVM_CAP_SYNC_REGS", "4.17"),
];

/// The host's KVM, and what all machines of the process share.
pub(crate) struct Host {
    kvm: Kvm,
    cpu: GuestCpu,
    /// The model-specific registers that a reset restores.
    msrs: OnceLock<ModelRegisters>,
}

impl Host {
    /// The process's only handle. Errors are not cached: the next call tries again.
    pub(crate) fn get() -> Result<&'static Self, Error> {
        static HOST: OnceLock<Host> = OnceLock::new();
        static OPENING: Mutex<()> = Mutex::new(());
        if let Some(host) = HOST.get() {
            return Ok(host);
        }
        let _only_one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        match HOST.get() {
            Some(host) => Ok(host),
            None => Self::open().map(|host| HOST.get_or_init(|| host)),
        }
    }

    fn open() -> Result<Self, Error> {
        let kvm = Kvm::new().map_err(|errno| open_error(errno.errno()))?;
        if kvm.get_api_version() != API_VERSION {
            return Err(Error::KvmTooOld {
                expected: "KVM API version 12",
                since: "2.6.22",
            });
        }
        check_capabilities(|capability| kvm.check_extension(capability))?;
        let offered = kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(ioctl::refused("KVM_GET_SUPPORTED_CPUID"))?;
        Ok(Self {
            kvm,
            cpu: GuestCpu::new(&offered, &Processor::of_host()),
            msrs: OnceLock::new(),
        })
    }

    pub(crate) fn create_vm(&self) -> Result<VmFd, Error> {
        uninterrupted(|| self.kvm.create_vm()).map_err(ioctl::refused("KVM_CREATE_VM"))
    }

    /// The model-specific registers that are restored after guests in ring 0. KVM is asked only once; `vcpu` must be
    /// new for this.
    pub(crate) fn msrs(&'static self, vcpu: &VcpuFd) -> Result<&'static ModelRegisters, Error> {
        match self.msrs.get() {
            Some(msrs) => Ok(msrs),
            None => {
                ModelRegisters::find(&self.kvm, vcpu).map(|msrs| self.msrs.get_or_init(|| msrs))
            }
        }
    }

    /// The processor that guests see.
    pub(crate) const fn cpu(&self) -> &GuestCpu {
        &self.cpu
    }
}

/// Repeats an operation that a signal interrupted. A process may receive many signals, for instance from a profiler,
/// and any step of creating a machine can be interrupted.
pub(crate) fn uninterrupted<T>(
    mut operation: impl FnMut() -> Result<T, kvm_ioctls::Error>,
) -> Result<T, kvm_ioctls::Error> {
    loop {
        match operation() {
            Err(errno) if errno.errno() == libc::EINTR => {}
            result => return result,
        }
    }
}

/// Checks that KVM has what every virtine needs. KVM_CAP_XCRS has existed since Linux 2.6.36, longer than all other
/// needed capabilities. If it alone is missing, the kernel does not support XSAVE.
fn check_capabilities(has: impl Fn(Cap) -> bool) -> Result<(), Error> {
    for (capability, expected, since) in NEEDED {
        if !has(capability) {
            return Err(Error::KvmTooOld { expected, since });
        }
    }
    match has(Cap::Xcrs) {
        true => Ok(()),
        false => Err(Error::ProcessorLacks {
            expected: "XSAVE (KVM_CAP_XCRS)",
        }),
    }
}

fn open_error(errno: i32) -> Error {
    match io::Error::from_raw_os_error(errno) {
        error if error.kind() == io::ErrorKind::NotFound => Error::KvmMissing,
        // ENXIO, ENODEV: the device node exists, but the driver does not.
        _ if errno == libc::ENXIO || errno == libc::ENODEV => Error::KvmMissing,
        error if error.kind() == io::ErrorKind::PermissionDenied => denied(
            fs::metadata(DEVICE).ok().as_ref().map(Owner::of),
            &fs::read_to_string("/etc/group").unwrap_or_default(),
        ),
        source => Error::system("open of /dev/kvm")(source),
    }
}

/// Who may open the device.
#[derive(Clone, Copy, Debug)]
struct Owner {
    mode: u32,
    user: u32,
    group: u32,
}

impl Owner {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            mode: metadata.mode() & 0o7777,
            user: metadata.uid(),
            group: metadata.gid(),
        }
    }
}

/// Why the device cannot be opened, and what to do. Nobody should join the group root for it, and nobody can join a
/// group without a name.
fn denied(owner: Option<Owner>, groups: &str) -> Error {
    const ROOT: u32 = 0;
    /// What a container shows for a group that it does not know (Documentation/admin-guide/sysctl/fs.rst).
    const OVERFLOW: u32 = 65_534;
    const GROUP_MAY: u32 = 0o060;
    let Some(Owner { mode, user, group }) = owner else {
        return Error::KvmClosed {
            found: "one that cannot be looked at".to_owned(),
        };
    };
    let name = group_name(groups, group);
    let is_open = ![ROOT, OVERFLOW].contains(&group) && mode & GROUP_MAY == GROUP_MAY;
    match name {
        Some(group) if is_open => Error::KvmDenied { group },
        name => Error::KvmClosed {
            found: format!(
                "mode {mode:04o}, user {user}, group {}",
                name.unwrap_or_else(|| group.to_string())
            ),
        },
    }
}

/// Looks a group up in the text of /etc/group: `name:password:number:members`.
fn group_name(groups: &str, wanted: u32) -> Option<String> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(wanted)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_device_says_how_to_get_it() {
        for errno in [libc::ENOENT, libc::ENXIO, libc::ENODEV] {
            let message = open_error(errno).to_string();
            assert!(message.contains("modprobe"), "{message}");
        }
    }

    #[test]
    fn denied_device_names_the_group_and_the_command() {
        let error = Error::KvmDenied {
            group: "kvm".to_owned(),
        };
        assert!(
            error.to_string().contains("sudo usermod -aG kvm $USER"),
            "{error}"
        );
        for errno in [libc::EACCES, libc::EPERM] {
            let error = open_error(errno);
            let is_denied = matches!(error, Error::KvmDenied { .. } | Error::KvmClosed { .. });
            assert!(is_denied, "{error}");
        }
    }

    #[test]
    fn only_a_group_that_helps_is_to_be_joined() {
        let groups = "root:x:0:\nkvm:x:106:\nnogroup:x:65534:\n";
        let denied = |mode, group| {
            let owner = Owner {
                mode,
                user: 0,
                group,
            };
            denied(Some(owner), groups)
        };
        assert!(matches!(denied(0o660, 106), Error::KvmDenied { group } if group == "kvm"));
        let closed = [
            (0o600, 106),
            (0o640, 106),
            (0o660, 0),
            (0o660, 993),
            (0o660, 65_534),
        ];
        for (mode, group) in closed {
            let message = denied(mode, group).to_string();
            assert!(message.contains(&format!("mode {mode:04o}")), "{message}");
            assert!(
                message.contains("setfacl") && !message.contains("usermod"),
                "{message}"
            );
        }
    }

    #[test]
    fn other_failures_keep_the_kernels_words() {
        let error = open_error(libc::EIO);
        assert!(
            error.to_string().starts_with("open of /dev/kvm failed: "),
            "{error}"
        );
        let error = open_error(libc::EMFILE);
        assert!(matches!(error, Error::TooManyFiles { .. }), "{error}");
    }

    #[test]
    fn old_kernel_is_told_what_is_missing() {
        let error = Error::KvmTooOld {
            expected: "KVM_CAP_SYNC_REGS",
            since: "4.17",
        };
        assert!(error.to_string().contains("KVM_CAP_SYNC_REGS"), "{error}");
        assert!(error.to_string().contains("4.17"), "{error}");
    }

    #[test]
    fn processor_without_xsave_is_told_from_an_old_kernel() {
        assert!(check_capabilities(|_| true).is_ok());
        let error = check_capabilities(|capability| !matches!(capability, Cap::Xcrs));
        let error = error.expect_err("no XSAVE");
        assert!(matches!(error, Error::ProcessorLacks { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("processor"), "{message}");
        assert!(message.contains("XSAVE"), "{message}");
        assert!(!message.contains("too old"), "{message}");
        // An old kernel has none either; then its age is the reason to report.
        let old = check_capabilities(|capability| matches!(capability, Cap::UserMemory));
        assert!(matches!(old, Err(Error::KvmTooOld { .. })), "{old:?}");
    }

    #[test]
    fn group_is_found_by_number() {
        let groups = "root:x:0:\nbroken\nkvm:x:106:a,b\n";
        assert_eq!(group_name(groups, 106).as_deref(), Some("kvm"));
        assert_eq!(group_name(groups, 7), None);
    }
}
