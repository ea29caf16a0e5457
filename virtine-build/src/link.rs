//! A guest's program: the shims of its functions, and what these reach, linked once for all of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compile::checked_output;
use crate::environment::Environment;
use crate::error::Error;
use crate::package::Library;

/// Where the guests of functions without an initialisation of their own start; in virtine-rt.
pub(crate) const START: &str = "__virtine_start";

/// What programs of a guest are linked from and by.
pub(crate) struct Linking {
    archive: PathBuf,
    script: PathBuf,
    linker: PathBuf,
    library: Library,
}

impl Linking {
    /// `folder` is where the linker script is kept for the linker to read.
    pub(crate) fn new(
        archive: &Path,
        folder: &Path,
        environment: &Environment,
        library: Library,
    ) -> Result<Self, Error> {
        let script = folder.join("guest.ld");
        crate::write::write_if_changed(&script, virtine_rt::LINKER_SCRIPT.as_bytes())?;
        Ok(Self {
            archive: archive.to_owned(),
            script,
            linker: match library {
                Library::Facade => linker(environment)?,
                Library::Std => environment.linker.clone(),
            },
            library,
        })
    }

    /// Links what the entry points `symbols` reach into the file `program`.
    pub(crate) fn link(&self, symbols: &[String], program: &Path) -> Result<(), Error> {
        match self.library {
            Library::Facade => self.link_alone(symbols, program),
            Library::Std => self.link_with_libc(symbols, program),
        }
    }

    fn link_alone(&self, symbols: &[String], program: &Path) -> Result<(), Error> {
        let mut command = Command::new(&self.linker);
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

    /// By the driver, which knows where libc and the start of a static program are. The libraries are those
    /// that rustc names for a static library (`--print=native-static-libs`).
    fn link_with_libc(&self, symbols: &[String], program: &Path) -> Result<(), Error> {
        let mut command = Command::new(&self.linker);
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
            .args([
                "-lgcc_eh",
                "-lgcc",
                "-lc",
                "-lm",
                "-lrt",
                "-lpthread",
                "-lutil",
                "-ldl",
            ])
            .arg("-Wl,--end-group");
        checked_output(&mut command)?;
        Ok(())
    }
}

/// The linker behind the driver that is configured, since a driver adds files and options of its own.
fn linker(environment: &Environment) -> Result<PathBuf, Error> {
    let mut command = Command::new(&environment.linker);
    let output = checked_output(command.arg("-print-prog-name=ld"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}
