//! Writing files so that cargo rebuilds no more than it must.

use std::fs;
use std::path::Path;

use crate::error::Error;

/// Writes `contents` to `path` and makes the folders on the way, but leaves a file alone that holds
/// them already: its time stamp is what the nested cargo goes by.
pub(crate) fn write_if_changed(path: &Path, contents: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    }
    fs::write(path, contents).map_err(Error::file("write", path))
}
