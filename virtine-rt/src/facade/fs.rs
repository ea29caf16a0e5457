//! `std::fs`, through the host, beneath the paths that the virtine's policy grants.
//!
//! Paths are strings. As in std, functions take `AsRef<Path>`. Directories cannot be listed, created or removed.

mod c_path;
mod file;
mod metadata;
mod options;

use c_path::c_path;
pub use file::File;
pub use metadata::{FileType, Metadata, Permissions};
pub use options::OpenOptions;

use alloc_crate::string::String;
use alloc_crate::vec::Vec;

use crate::facade::path::Path;
use crate::guest::request;
use crate::io::{self, Read as _, Write as _};

/// Same as in std.
///
/// # Errors
///
/// Errors of the host.
pub fn read<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Same as in std.
///
/// # Errors
///
/// Errors of the host, or the file is not UTF-8.
pub fn read_to_string<P: AsRef<Path>>(path: P) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Same as in std.
///
/// # Errors
///
/// Errors of the host.
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    File::create(path)?.write_all(contents.as_ref())
}

/// Same as in std.
///
/// # Errors
///
/// Errors of the host.
pub fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    let contents = read(from)?;
    write(to, &contents)?;
    Ok(contents.len() as u64)
}

/// Same as in std.
///
/// # Errors
///
/// Errors of the host.
pub fn remove_file<P: AsRef<Path>>(path: P) -> io::Result<()> {
    request::unlink(&c_path(path.as_ref())?)?;
    Ok(())
}

/// Same as in std.
///
/// # Errors
///
/// Errors of the host.
pub fn hard_link<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    request::link(&c_path(original.as_ref())?, &c_path(link.as_ref())?)?;
    Ok(())
}

/// Same as in std, for files that can be opened for reading.
///
/// # Errors
///
/// Errors of the host.
pub fn metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    File::open(path)?.metadata()
}
