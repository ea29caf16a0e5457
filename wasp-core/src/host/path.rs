//! Paths as guests write them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::request_error::RequestError;

/// The path at `address`, with `.` components removed.
pub(super) fn from_guest(
    memory: &(impl GuestSpace + ?Sized),
    address: u64,
) -> Result<PathBuf, RequestError> {
    let bytes = memory.text(address)?;
    match bytes.is_empty() {
        true => Err(Errno::NOENT.into()),
        false => Ok(plain(Path::new(&OsString::from_vec(bytes)))),
    }
}

/// The path with `.` components removed, so that different spellings become equal.
pub(crate) fn plain(path: &Path) -> PathBuf {
    path.components()
        .filter(|component| *component != Component::CurDir)
        .collect()
}
