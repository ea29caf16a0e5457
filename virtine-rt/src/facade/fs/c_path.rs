//! Paths in the form that the host expects.

use alloc_crate::ffi::CString;

use crate::facade::path::Path;
use crate::io;

/// The path with a NUL at its end.
pub(super) fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_unix_str().as_bytes())?)
}
