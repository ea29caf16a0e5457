//! Terminals for tests.

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd as _;
use std::path::Path;
use std::ptr;

use crate::skipped;

/// A terminal: input typed at the first end comes out of the second. `None` if no terminal file system is mounted,
/// which is then reported for `test`.
pub(crate) fn terminal(test: &str) -> Option<(File, File)> {
    if !Path::new("/dev/pts/ptmx").exists() {
        skipped::tell(test, "no terminals on this machine");
        return None;
    }
    let (mut master, mut slave) = (0, 0);
    // SAFETY: both places are valid; no name and no settings are asked for.
    let opened = unsafe {
        libc::openpty(
            &raw mut master,
            &raw mut slave,
            ptr::null_mut(),
            ptr::null(),
            ptr::null(),
        )
    };
    assert_eq!(opened, 0, "{}", io::Error::last_os_error());
    // SAFETY: both descriptors are new, and nothing else owns them.
    Some(unsafe { (File::from_raw_fd(master), File::from_raw_fd(slave)) })
}
