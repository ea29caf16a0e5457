//! Names: creating them, linking, moving and removing them. All of this counts as writing.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Timestamps, fstat, linkat, mkdirat, openat,
    renameat_with, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::base::capability::Capability;
use crate::host::files::{denied, find, out_of_reach};
use crate::host::place::{Name, Place};
use crate::host::policy::Policy;
use crate::host::request_error::RequestError;
use crate::host::roots::Grant;

/// Gives the file `old` a second name, if that name grants no more rights to it than the first.
pub(super) fn link(policy: &Policy, old: &Path, new: &Path) -> Result<(), RequestError> {
    let (from, to) = (name(policy, old)?, name(policy, new)?);
    let file = regular(&from, Errno::PERM)?;
    no_further(policy, &from, &to, new)?;
    // By the descriptor of the file that was checked, whatever the name refers to by now.
    match linkat(&file, "", &to.directory, &to.name, AtFlags::EMPTY_PATH) {
        // Kernels before 6.10 report this to processes without CAP_DAC_READ_SEARCH.
        Err(Errno::NOENT) => Ok(linkat(
            CWD,
            by_descriptor(&file),
            &to.directory,
            &to.name,
            AtFlags::SYMLINK_FOLLOW,
        )?),
        result => Ok(result?),
    }
}

/// Moves the file `old`, if its new name grants no more rights to it than the old one. Anything but a regular file is
/// reported to lie on another device, so that programs copy it.
pub(super) fn rename(
    policy: &Policy,
    old: &Path,
    new: &Path,
    replace: bool,
) -> Result<(), RequestError> {
    let (from, to) = (name(policy, old)?, name(policy, new)?);
    regular(&from, Errno::XDEV)?;
    no_further(policy, &from, &to, new)?;
    let flags = match replace {
        true => RenameFlags::empty(),
        false => RenameFlags::NOREPLACE,
    };
    moved(&from, &to, flags)?;
    match regular(&to, Errno::XDEV) {
        // It is there, or another call has already moved it away.
        Ok(_) | Err(RequestError::Errno(Errno::NOENT)) => Ok(()),
        Err(stop) => {
            // Another call has put a directory in its place since the check.
            let _ = moved(&to, &from, RenameFlags::NOREPLACE);
            Err(stop)
        }
    }
}

fn moved(from: &Name, to: &Name, flags: RenameFlags) -> Result<(), Errno> {
    let (old, new) = (&from.name, &to.name);
    renameat_with(&from.directory, old, &to.directory, new, flags)
}

/// Removes a name. The name may be a symbolic link's, but not a directory's.
pub(super) fn unlink(policy: &Policy, path: &Path) -> Result<(), RequestError> {
    let Name { directory, name } = name(policy, path)?;
    Ok(unlinkat(directory, name, AtFlags::empty())?)
}

/// Removes an empty directory.
pub(super) fn remove_directory(policy: &Policy, path: &Path) -> Result<(), RequestError> {
    let Name { directory, name } = name(policy, path)?;
    Ok(unlinkat(directory, name, AtFlags::REMOVEDIR)?)
}

/// Creates a directory. It is never set-group-ID or sticky, whatever `mode` says.
pub(super) fn make_directory(policy: &Policy, path: &Path, mode: u64) -> Result<(), RequestError> {
    let mode = Mode::from_raw_mode(mode as u32 & 0o777);
    let beneath = find(policy, path, Grant::WRITE, Capability::Write)?;
    if beneath.is_root() {
        return match beneath.place()? {
            Place::Directory(_) => Err(Errno::EXIST.into()),
            Place::Named(holder, name) => Ok(mkdirat(holder, name, mode)?),
        };
    }
    let Name { directory, name } = name(policy, path)?;
    Ok(mkdirat(directory, name, mode)?)
}

/// Sets the times of a path's target. With `follow` false, those of a symbolic link itself.
pub(super) fn stamp(
    policy: &Policy,
    path: &Path,
    follow: bool,
    times: &Timestamps,
) -> Result<(), RequestError> {
    let found = crate::host::files::locate(policy, path, follow, Grant::WRITE, Capability::Write)?;
    match utimensat(&found, "", times, AtFlags::EMPTY_PATH) {
        // For kernels that do not support AT_EMPTY_PATH here.
        Err(Errno::INVAL | Errno::NOENT) => Ok(utimensat(
            CWD,
            by_descriptor(&found),
            times,
            AtFlags::empty(),
        )?),
        result => Ok(result?),
    }
}

/// The directory that holds a path's target, and its name there, if it may be written.
fn name(policy: &Policy, path: &Path) -> Result<Name, RequestError> {
    let beneath = find(policy, path, Grant::WRITE, Capability::Write)?;
    beneath
        .parent()
        .map_err(|errno| out_of_reach(errno, Capability::Write, path))?
        .ok_or_else(|| denied(Capability::Write, path))
}

/// The file with this name, if it is a regular file.
fn regular(Name { directory, name }: &Name, otherwise: Errno) -> Result<OwnedFd, RequestError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file),
        _ => Err(otherwise.into()),
    }
}

fn no_further(policy: &Policy, from: &Name, to: &Name, path: &Path) -> Result<(), RequestError> {
    match policy.roots().open_no_further(from, to)? {
        true => Ok(()),
        false => Err(denied(Capability::Write, path)),
    }
}

fn by_descriptor(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
