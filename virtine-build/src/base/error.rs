//! Errors that stop the build script. Errors in the user's code do not: they go into the [report](crate::report).

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{name} is not set; call virtine_build::build() from a build script")]
    NotABuildScript { name: &'static str },
    #[error("virtines run on x86_64 Linux only, but this build is for {target}")]
    Target { target: String },
    #[error("cannot {action} {path}: {source}")]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot read the `[patch]` tables of {manifest}: {cause}")]
    Manifest {
        manifest: PathBuf,
        cause: basic_toml::Error,
    },
    #[error(
        "expected `guest = \"core\"` or `guest = \"std\"` in [package.metadata.virtine], found {found}"
    )]
    Setting { found: String },
    #[error("cannot start `{command}`: {source}")]
    Start { command: String, source: io::Error },
    #[error("`{command}` failed ({status}):\n{output}")]
    Command {
        command: String,
        status: String,
        output: String,
    },
    #[error(
        "a guest with the real std needs the static C library, and `{linker}` finds no libc.a: install it (Debian and \
         Ubuntu: `apt-get install libc6-dev`; Fedora: `dnf install glibc-static`), or keep functions in the small runtime \
         with `#[virtine(core)]`"
    )]
    NoStaticLibc { linker: String },
    #[error("unexpected output from `{command}`: {reason}")]
    Output {
        command: &'static str,
        reason: String,
    },
    #[error("cannot read the guest program {path}: {reason}")]
    Elf { path: PathBuf, reason: String },
}

impl Error {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
