//! Files by path: opening them, their metadata, and the targets of symbolic links.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, Stat, fstat, readlinkat};
use rustix::io::Errno;
use virtine_rt::abi::requests::open as flag;

use crate::base::capability::Capability;
use crate::host::open::Open;
use crate::host::policy::Policy;
use crate::host::request_error::RequestError;
use crate::host::roots::{Beneath, Grant};

/// What a guest's `open` flags ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    grant: Grant,
    flags: OFlags,
    empties: bool,
}

impl Wanted {
    /// Accepts the flags that guests have a use for. The kernel is not asked about the rest.
    pub(super) fn parse(bits: u64) -> Result<Self, RequestError> {
        let changing = flag::CREATE | flag::EXCLUSIVE | flag::TRUNCATE | flag::APPEND;
        // Every file is opened close-on-exec and with large-file support here.
        let harmless = u64::from((OFlags::CLOEXEC | OFlags::LARGEFILE).bits());
        // These only narrow down what is opened.
        let narrowing = u64::from((OFlags::DIRECTORY | OFlags::NOFOLLOW).bits());
        let access = bits & flag::ACCESS;
        if bits & !(flag::ACCESS | changing | harmless | narrowing) != 0 || access == flag::ACCESS {
            return Err(Errno::INVAL.into());
        }
        let grant = Grant {
            read: access != flag::WRITE_ONLY,
            // Truncating or creating a file is writing it, whatever the access mode.
            write: access != 0 || bits & changing != 0,
        };
        let asked = bits & (flag::ACCESS | changing | narrowing);
        let asked = u32::try_from(asked).unwrap_or_default();
        // A pipe's other end or a terminal must not block the host, nor become its controlling terminal.
        let flags =
            OFlags::from_bits_retain(asked) | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        // A guest that may not write through the handle cannot truncate the file through it either.
        let empties = access != 0 && flags.contains(OFlags::TRUNC);
        Ok(Self {
            grant,
            flags: if empties {
                flags.difference(OFlags::TRUNC)
            } else {
                flags
            },
            empties,
        })
    }

    /// Whether to truncate the file after opening it, in steps. The kernel would do it in one piece.
    pub(super) const fn empties(self) -> bool {
        self.empties
    }

    /// The capability that this needs. Writing is the wider one.
    pub(super) const fn capability(self) -> Capability {
        match self.grant.write {
            true => Capability::Write,
            false => Capability::Read,
        }
    }
}

/// Opens the file. A new file never gets set-user-ID or set-group-ID bits, whatever `mode` says.
pub(super) fn open(
    policy: &Policy,
    path: &Path,
    wanted: Wanted,
    mode: u64,
) -> Result<Open, RequestError> {
    let beneath = find(policy, path, wanted.grant, wanted.capability())?;
    let mode = Mode::from_raw_mode(mode as u32 & 0o777);
    let mode = match wanted.flags.contains(OFlags::CREATE) {
        true => mode,
        // openat2 requires this.
        false => Mode::empty(),
    };
    let file = beneath
        .open(wanted.flags, mode)
        .map_err(|errno| out_of_reach(errno, wanted.capability(), path))?;
    Ok(Open::found(file, wanted.flags)?)
}

/// The metadata of a path's target, without opening it. With `follow` false, that of a symbolic link itself.
pub(super) fn stat(policy: &Policy, path: &Path, follow: bool) -> Result<Stat, RequestError> {
    let found = locate(policy, path, follow, Grant::READ, Capability::Read)?;
    Ok(fstat(found)?)
}

/// The target of a symbolic link.
pub(super) fn read_link(policy: &Policy, path: &Path) -> Result<Vec<u8>, RequestError> {
    let link = locate(policy, path, false, Grant::READ, Capability::Read)?;
    match readlinkat(link, "", Vec::new()) {
        Ok(target) => Ok(target.into_bytes()),
        // The kernel reports this for a descriptor that is not a symbolic link's.
        Err(Errno::NOENT) => Err(Errno::INVAL.into()),
        Err(errno) => Err(errno.into()),
    }
}

/// A descriptor of a path's target that allows neither reading nor writing.
pub(super) fn locate(
    policy: &Policy,
    path: &Path,
    follow: bool,
    needed: Grant,
    capability: Capability,
) -> Result<OwnedFd, RequestError> {
    let beneath = find(policy, path, needed, capability)?;
    let nofollow = match follow {
        true => OFlags::empty(),
        false => OFlags::NOFOLLOW,
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC | nofollow;
    beneath
        .open(flags, Mode::empty())
        .map_err(|errno| out_of_reach(errno, capability, path))
}

/// The root with these rights that a path begins with, if there is one.
pub(super) fn find<'a>(
    policy: &'a Policy,
    path: &'a Path,
    needed: Grant,
    capability: Capability,
) -> Result<Beneath<'a>, RequestError> {
    let found = policy.roots().find(path, needed);
    found.ok_or_else(|| denied(capability, path))
}

pub(super) fn denied(capability: Capability, path: &Path) -> RequestError {
    RequestError::denied(capability, path.to_string_lossy())
}

/// A path that leaves its root is not granted.
pub(super) fn out_of_reach(errno: Errno, capability: Capability, path: &Path) -> RequestError {
    match errno {
        Errno::XDEV => denied(capability, path),
        errno => errno.into(),
    }
}
