//! Paths as guests write them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::request_error::RequestError;

/// The path at `address`, without its `.`s.
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

/// The path without its `.`s, so that two ways to write it are one.
pub(crate) fn plain(path: &Path) -> PathBuf {
    path.components()
        .filter(|component| *component != Component::CurDir)
        .collect()
}
