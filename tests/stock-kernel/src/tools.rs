//! The programs of the host that this one calls.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;

/// Installs whatever of [`NEEDED`] a Debian machine can lack.
pub(crate) const INSTALL: &str =
    "apt-get install -y --no-install-recommends qemu-system-x86 seabios busybox-static";

pub(crate) const QEMU: &str = "qemu-system-x86_64";
pub(crate) const BUSYBOX: &str = "busybox";

const NEEDED: [&str; 7] = [
    QEMU,
    BUSYBOX,
    "setpriv",
    "ldd",
    "apt-cache",
    "apt-get",
    "dpkg-deb",
];

/// Names all missing programs at once, before anything is done.
pub(crate) fn check() -> Result<(), Error> {
    let names: Vec<_> = NEEDED
        .into_iter()
        .filter(|name| find(name).is_none())
        .collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(Error::MissingTools { names }),
    }
}

/// The file that running `name` would run.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Runs a program to its end and returns its standard output.
pub(crate) fn output(program: &'static str, command: &mut Command) -> Result<String, Error> {
    let output = command
        .output()
        .map_err(|source| Error::Start { program, source })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::Command {
            command: format!("{command:?}"),
            words: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}
