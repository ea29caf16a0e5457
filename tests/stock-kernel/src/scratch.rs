//! Files that exist only for one run.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process;

use crate::error::Error;

/// A new file without a name, which is deleted automatically however this process ends. `fill` writes it, and its
/// position is then reset to the start. `purpose` distinguishes it from this process's other files.
pub(crate) fn nameless(
    purpose: &str,
    fill: impl FnOnce(&File) -> io::Result<()>,
) -> Result<File, Error> {
    let path = unique(purpose);
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(Error::file("create", &path))?;
    fs::remove_file(&path).map_err(Error::file("remove", &path))?;
    fill(&file)
        .and_then(|()| io::Seek::rewind(&mut &file))
        .map_err(Error::file("write", &path))?;
    Ok(file)
}

/// A path through which other processes can open a file while this one keeps it open.
pub(crate) fn path(file: &File) -> String {
    format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd())
}

/// A new folder, which is removed when this value is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(purpose: &str) -> Result<Self, Error> {
        let path = unique(purpose);
        fs::create_dir(&path).map_err(Error::file("create", &path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If this fails, the rest stays among the temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn unique(purpose: &str) -> PathBuf {
    env::temp_dir().join(format!("stock-kernel-{}-{purpose}", process::id()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn nameless_file_is_at_its_start_and_has_no_name() {
        let mut file =
            nameless("test-file", |mut file| file.write_all(b"words")).expect("writable");
        let mut text = String::new();
        file.read_to_string(&mut text)
            .expect("the file is readable");
        assert_eq!(text, "words");
        assert!(!unique("test-file").exists());
    }

    #[test]
    fn nameless_file_can_be_opened_by_its_descriptor() {
        let file = nameless("test-path", |mut file| file.write_all(b"words")).expect("writable");
        let text = fs::read_to_string(path(&file)).expect("the file is readable");
        assert_eq!(text, "words");
    }

    #[test]
    fn folder_goes_with_what_is_in_it() {
        let folder = Folder::new("test-folder").expect("the temporary folder is writable");
        let path = folder.path().to_owned();
        fs::write(path.join("file"), "words").expect("the folder is writable");
        drop(folder);
        assert!(!path.exists());
    }
}
