//! Links the program of a guest: the shims of its virtines, and everything that they reach.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base::command::checked_output;
use crate::base::error::Error;
use crate::base::files::write_if_changed;
use crate::cargo::environment::Environment;
use crate::syntax::Library;

/// The symbol at which the guests of functions without their own initialisation start. virtine-rt defines it.
pub(super) const START: &str = "__virtine_start";

/// Links programs from one static library.
pub(super) struct Linker {
    archive: PathBuf,
    script: PathBuf,
    command: PathBuf,
    library: Library,
}

impl Linker {
    /// Writes the linker script into `folder`.
    pub(super) fn new(
        archive: &Path,
        folder: &Path,
        environment: &Environment,
        library: Library,
    ) -> Result<Self, Error> {
        let script = folder.join("guest.ld");
        write_if_changed(&script, virtine_rt::LINKER_SCRIPT.as_bytes())?;
        Ok(Self {
            archive: archive.to_owned(),
            script,
            command: match library {
                Library::Facade => linker(environment)?,
                Library::Std => environment.linker.clone(),
            },
            library,
        })
    }

    /// Links everything that the entry points `symbols` reach into the file `program`.
    pub(super) fn link(&self, symbols: &[String], program: &Path) -> Result<(), Error> {
        match self.library {
            Library::Facade => self.link_alone(symbols, program),
            Library::Std => self.link_with_libc(symbols, program),
        }
    }

    fn link_alone(&self, symbols: &[String], program: &Path) -> Result<(), Error> {
        let mut command = Command::new(&self.command);
        command
            .args(["-nostdlib", "-static", "--no-pie", "--gc-sections"])
            .args(["--build-id=sha1", "-z", "noexecstack", "-z", "norelro"])
            .args(["-z", "max-page-size=4096"])
            .args(symbols.iter().map(|symbol| format!("--undefined={symbol}")))
            .arg(format!("--undefined={START}"))
            .arg("-T")
            .arg(&self.script)
            .arg("-o")
            .arg(program)
            .arg(&self.archive);
        checked_output(&mut command)?;
        Ok(())
    }

    /// Links with the driver, which knows the paths of libc and of the startup files. The libraries are those
    /// that rustc prints for a static library (`--print=native-static-libs`).
    fn link_with_libc(&self, symbols: &[String], program: &Path) -> Result<(), Error> {
        let mut command = Command::new(&self.command);
        command
            .args(["-static", "-no-pie", "-Wl,--gc-sections"])
            .args(["-Wl,--build-id=sha1", "-Wl,-z,noexecstack"])
            .args(["-Wl,-z,norelro", "-Wl,-z,separate-code"])
            .args(["-Wl,-z,max-page-size=4096"])
            .args(
                symbols
                    .iter()
                    .map(|symbol| format!("-Wl,--undefined={symbol}")),
            )
            .arg(format!("-Wl,--undefined={START}"))
            .arg("-o")
            .arg(program)
            .arg("-Wl,--start-group")
            .arg(&self.archive)
            .args(["-lgcc_eh", "-lgcc", "-lc", "-lm"])
            .args(["-lrt", "-lpthread", "-lutil", "-ldl"])
            .arg("-Wl,--end-group");
        match checked_output(&mut command) {
            Ok(_) => Ok(()),
            Err(_) if !has_static_libc(&self.command) => Err(Error::NoStaticLibc {
                linker: self.command.display().to_string(),
            }),
            Err(error) => Err(error),
        }
    }
}

/// Whether the driver finds the static C library. It prints the bare name of a file that it does not find.
fn has_static_libc(driver: &Path) -> bool {
    const NAME: &str = "libc.a";
    let mut command = Command::new(driver);
    let output = checked_output(command.arg(format!("-print-file-name={NAME}")));
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() != NAME)
}

/// The linker of the configured driver. The driver itself would add files and options.
fn linker(environment: &Environment) -> Result<PathBuf, Error> {
    let mut command = Command::new(&environment.linker);
    let output = checked_output(command.arg("-print-prog-name=ld"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}
