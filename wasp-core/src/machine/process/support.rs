//! What this kernel and processor offer to machines that are processes.

use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;

use rustix::system::uname;

use crate::Error;
use crate::base::xgetbv::xcr0;

/// States that a signal frame has no room for unless the process asks: AMX's tile data (Intel SDM vol. 1, 13.1).
const TILE_DATA: u64 = 1 << 18;
/// The oldest kernel: that of close_range (5.9), of FSGSBASE (5.9) and of pidfd_open (5.3).
const OLDEST: (u32, u32) = (5, 10);

/// What there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Support {
    /// The mask of XRSTOR.
    pub(super) extended: u64,
    /// A process can write PKRU.
    pub(super) has_keys: bool,
    /// Only fatal signals interrupt a system call that the host has been told of (5.19).
    pub(super) wait_killable: bool,
    /// The kernel says of itself that a child is gone to whoever waits for its next system call (6.11).
    pub(super) tells_gone: bool,
    /// Pages that a process has written are found without reading an entry for each page (6.7).
    pub(super) scans: bool,
}

impl Support {
    /// Looks once.
    pub(super) fn get() -> Result<Self, Error> {
        static SUPPORT: OnceLock<Support> = OnceLock::new();
        if let Some(support) = SUPPORT.get() {
            return Ok(*support);
        }
        let support = Self::look()?;
        Ok(*SUPPORT.get_or_init(|| support))
    }

    fn look() -> Result<Self, Error> {
        const FSGSBASE: u64 = 1 << 1;
        let release = uname();
        let release = release.release().to_string_lossy();
        let version = version(&release);
        if version < OLDEST {
            return Err(Error::ProcessBackend {
                reason: format!("expected linux 5.10 or later, found {release}"),
            });
        }
        // SAFETY: reads this process's auxiliary vector.
        let features = unsafe { libc::getauxval(libc::AT_HWCAP2) };
        if features & FSGSBASE == 0 {
            return Err(Error::ProcessBackend {
                reason: "expected a processor and kernel with fsgsbase, found none".to_owned(),
            });
        }
        Ok(Self {
            // A processor with FSGSBASE and a kernel that uses it have XSAVE; AVX came before.
            extended: xcr0() & !TILE_DATA,
            has_keys: has_keys(),
            wait_killable: version >= (5, 19),
            tells_gone: version >= (6, 11),
            scans: version >= (6, 7),
        })
    }
}

/// OSPKE (Intel SDM vol. 2, CPUID, leaf 7).
fn has_keys() -> bool {
    const OSPKE: u32 = 1 << 4;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ecx & OSPKE != 0
}

/// The first two numbers of a kernel's release; zero where it has none.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    (next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read() {
        assert_eq!(version("6.18.44-fc-v669"), (6, 18));
        assert_eq!(version("5.10.0-28-amd64"), (5, 10));
        assert_eq!(version("4.4.0"), (4, 4));
        assert_eq!(version(""), (0, 0));
    }
}
