//! Files by their paths: open, what they are, and where symbolic links lead.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, Stat, fstat, readlinkat};
use rustix::io::Errno;
use virtine_rt::abi::doors::open as flag;

use super::door::Door;
use super::handles::Open;
use super::policy::Policy;
use super::refusal::Stop;
use super::roots::{Beneath, Grant};

/// What a guest's `open` flags ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    grant: Grant,
    flags: OFlags,
    empties: bool,
}

impl Wanted {
    /// Accepts what guests have a use for; the kernel is not asked about the rest.
    pub(super) fn parse(bits: u64) -> Result<Self, Stop> {
        let changing = flag::CREATE | flag::EXCLUSIVE | flag::TRUNCATE | flag::APPEND;
        // Close-on-exec and large files are what every file is opened with here.
        let harmless = u64::from((OFlags::CLOEXEC | OFlags::LARGEFILE).bits());
        // These only narrow down what is opened.
        let narrowing = u64::from((OFlags::DIRECTORY | OFlags::NOFOLLOW).bits());
        let access = bits & flag::ACCESS;
        if bits & !(flag::ACCESS | changing | harmless | narrowing) != 0 || access == flag::ACCESS {
            return Err(Errno::INVAL.into());
        }
        let grant = Grant {
            read: access != flag::WRITE_ONLY,
            // To empty or make a file is to write it, whatever else is asked for.
            write: access != 0 || bits & changing != 0,
        };
        let asked = bits & (flag::ACCESS | changing | narrowing);
        let asked = u32::try_from(asked).unwrap_or_default();
        // A pipe's other end or a terminal must not keep the host waiting, nor become its own.
        let flags =
            OFlags::from_bits_retain(asked) | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        // Who may not write by the handle cannot empty the file by it either.
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

    /// Whether a file is to be emptied once it is open: the kernel would do it in one piece.
    pub(super) const fn empties(self) -> bool {
        self.empties
    }

    /// The door that this goes through: to write is the wider one.
    pub(super) const fn door(self) -> Door {
        match self.grant.write {
            true => Door::Write,
            false => Door::Read,
        }
    }
}

/// Opens the file; a new one may not run as somebody else, whatever `mode` says.
pub(super) fn open(policy: &Policy, path: &Path, wanted: Wanted, mode: u64) -> Result<Open, Stop> {
    let beneath = find(policy, path, wanted.grant, wanted.door())?;
    let mode = Mode::from_raw_mode(mode as u32 & 0o777);
    let mode = match wanted.flags.contains(OFlags::CREATE) {
        true => mode,
        // openat2 insists.
        false => Mode::empty(),
    };
    let file = beneath
        .open(wanted.flags, mode)
        .map_err(|errno| out_of_reach(errno, wanted.door(), path))?;
    Ok(Open::found(file, wanted.flags)?)
}

/// What a path leads to, without opening it; with `follow` false, a symbolic link itself.
pub(super) fn stat(policy: &Policy, path: &Path, follow: bool) -> Result<Stat, Stop> {
    let found = locate(policy, path, follow, Grant::READ, Door::Read)?;
    Ok(fstat(found)?)
}

/// What a symbolic link holds.
pub(super) fn read_link(policy: &Policy, path: &Path) -> Result<Vec<u8>, Stop> {
    let link = locate(policy, path, false, Grant::READ, Door::Read)?;
    match readlinkat(link, "", Vec::new()) {
        Ok(target) => Ok(target.into_bytes()),
        // So the kernel tells it of a descriptor that is no link's.
        Err(Errno::NOENT) => Err(Errno::INVAL.into()),
        Err(errno) => Err(errno.into()),
    }
}

/// A descriptor of what a path leads to, by which nothing is read or written.
pub(super) fn locate(
    policy: &Policy,
    path: &Path,
    follow: bool,
    needed: Grant,
    door: Door,
) -> Result<OwnedFd, Stop> {
    let beneath = find(policy, path, needed, door)?;
    let nofollow = match follow {
        true => OFlags::empty(),
        false => OFlags::NOFOLLOW,
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC | nofollow;
    beneath
        .open(flags, Mode::empty())
        .map_err(|errno| out_of_reach(errno, door, path))
}

/// The root that a path begins with, if one has these rights.
pub(super) fn find<'a>(
    policy: &'a Policy,
    path: &'a Path,
    needed: Grant,
    door: Door,
) -> Result<Beneath<'a>, Stop> {
    let found = policy.roots().find(path, needed);
    found.ok_or_else(|| denied(door, path))
}

pub(super) fn denied(door: Door, path: &Path) -> Stop {
    Stop::denied(door, path.to_string_lossy())
}

/// A way out of a root is a door that is closed.
pub(super) fn out_of_reach(errno: Errno, door: Door, path: &Path) -> Stop {
    match errno {
        Errno::XDEV => denied(door, path),
        errno => errno.into(),
    }
}
