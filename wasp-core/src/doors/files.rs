//! Files by their paths: open, link, unlink; what they are, and where symbolic links lead.

use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat, fstat, linkat, readlinkat, unlinkat};
use rustix::io::Errno;
use virtine_rt::abi::doors::open as flag;

use super::door::Door;
use super::handles::Open;
use super::policy::Policy;
use super::refusal::Stop;
use super::roots::{Beneath, Rights};

/// What a guest's `open` flags ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    rights: Rights,
    flags: OFlags,
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
        let rights = Rights {
            read: access != flag::WRITE_ONLY,
            // To empty or make a file is to write it, whatever else is asked for.
            write: access != 0 || bits & changing != 0,
        };
        let asked = bits & (flag::ACCESS | changing | narrowing);
        let asked = u32::try_from(asked).unwrap_or_default();
        // A pipe's other end or a terminal must not keep the host waiting, nor become its own.
        let flags =
            OFlags::from_bits_retain(asked) | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(Self { rights, flags })
    }

    /// The door that this goes through: to write is the wider one.
    pub(super) const fn door(self) -> Door {
        match self.rights.write {
            true => Door::Write,
            false => Door::Read,
        }
    }
}

/// Opens the file; a new one may not run as somebody else, whatever `mode` says.
pub(super) fn open(policy: &Policy, path: &Path, wanted: Wanted, mode: u64) -> Result<Open, Stop> {
    let beneath = find(policy, path, wanted.rights, wanted.door())?;
    let mode = Mode::from_raw_mode(mode as u32 & 0o777);
    let mode = match wanted.flags.contains(OFlags::CREATE) {
        true => mode,
        // openat2 insists.
        false => Mode::empty(),
    };
    let file = beneath
        .open(wanted.flags, mode)
        .map_err(|errno| out_of_reach(errno, wanted.door(), path))?;
    Ok(Open::private(file)?)
}

/// What a path leads to, without opening it; with `follow` false, a symbolic link itself.
pub(super) fn stat(policy: &Policy, path: &Path, follow: bool) -> Result<Stat, Stop> {
    Ok(fstat(locate(policy, path, follow)?)?)
}

/// What a symbolic link holds.
pub(super) fn read_link(policy: &Policy, path: &Path) -> Result<Vec<u8>, Stop> {
    let link = locate(policy, path, false)?;
    match readlinkat(link, "", Vec::new()) {
        Ok(target) => Ok(target.into_bytes()),
        // So the kernel tells it of a descriptor that is no link's.
        Err(Errno::NOENT) => Err(Errno::INVAL.into()),
        Err(errno) => Err(errno.into()),
    }
}

fn locate(policy: &Policy, path: &Path, follow: bool) -> Result<std::os::fd::OwnedFd, Stop> {
    let beneath = find(policy, path, Rights::READ, Door::Read)?;
    let nofollow = match follow {
        true => OFlags::empty(),
        false => OFlags::NOFOLLOW,
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC | nofollow;
    beneath
        .open(flags, Mode::empty())
        .map_err(|errno| out_of_reach(errno, Door::Read, path))
}

/// Gives the file `old` a second name, beneath roots that grant no more of it than it has.
pub(super) fn link(policy: &Policy, old: &Path, new: &Path) -> Result<(), Stop> {
    let from = find(policy, old, Rights::WRITE, Door::Write)?;
    let to = find(policy, new, Rights::WRITE, Door::Write)?;
    if !policy.roots().open_no_further(old, new) {
        return Err(denied(Door::Write, new));
    }
    // What a path is granted is told by its components: they must be what they seem.
    let resolve = ResolveFlags::NO_SYMLINKS;
    let (from, old_name) = parent(from, resolve, old)?;
    let (to, new_name) = parent(to, resolve, new)?;
    Ok(linkat(from, old_name, to, new_name, AtFlags::empty())?)
}

/// Removes a name, of a symbolic link too, not of a directory.
pub(super) fn unlink(policy: &Policy, path: &Path) -> Result<(), Stop> {
    let beneath = find(policy, path, Rights::WRITE, Door::Write)?;
    let (directory, name) = parent(beneath, ResolveFlags::empty(), path)?;
    Ok(unlinkat(directory, name, AtFlags::empty())?)
}

fn find<'a>(
    policy: &'a Policy,
    path: &'a Path,
    rights: Rights,
    door: Door,
) -> Result<Beneath<'a>, Stop> {
    let found = policy.roots().find(path, rights);
    found.ok_or_else(|| denied(door, path))
}

fn parent<'a>(
    beneath: Beneath<'a>,
    resolve: ResolveFlags,
    path: &Path,
) -> Result<(std::os::fd::OwnedFd, &'a Path), Stop> {
    beneath
        .parent(resolve)
        .map_err(|errno| out_of_reach(errno, Door::Write, path))?
        .ok_or_else(|| denied(Door::Write, path))
}

fn denied(door: Door, path: &Path) -> Stop {
    Stop::denied(door, path.to_string_lossy())
}

/// A way out of a root is a door that is closed.
fn out_of_reach(errno: Errno, door: Door, path: &Path) -> Stop {
    match errno {
        Errno::XDEV => denied(door, path),
        errno => errno.into(),
    }
}
