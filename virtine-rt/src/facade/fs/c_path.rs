//! Paths as the host takes them.

use alloc_crate::ffi::CString;

use crate::facade::path::Path;
use crate::io;

/// The path with a NUL behind it.
pub(super) fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_unix_str().as_bytes())?)
}
