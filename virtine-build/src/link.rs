//! One program per function: its shim, bound to the runtime's call entry, and what that reaches.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compile::checked_output;
use crate::environment::Environment;
use crate::error::Error;

/// The runtime's name for the shim that a call runs; each link binds it to one function's.
const BODY: &str = "__virtine_body";
/// The image's two entry points, both in virtine-rt.
pub(crate) const START: &str = "__virtine_start";
/// See [`START`].
pub(crate) const CALL: &str = "__virtine_call";

/// Links the function whose shim is `symbol` out of `library` into the file `program`.
pub(crate) fn link(
    library: &Path,
    symbol: &str,
    program: &Path,
    script: &Path,
    environment: &Environment,
) -> Result<(), Error> {
    let undefined = [START, CALL, symbol].map(|name| format!("-Wl,--undefined={name}"));
    let mut command = Command::new(&environment.linker);
    command
        .args(["-nostdlib", "-nostartfiles", "-static", "-no-pie"])
        .args([
            "-Wl,--gc-sections",
            "-Wl,--build-id=none",
            "-Wl,-z,noexecstack",
        ])
        .args(["-Wl,-z,max-page-size=4096", "-Wl,-z,norelro"])
        .args(undefined)
        .arg(format!("-Wl,--defsym={BODY}={symbol}"))
        .arg("-T")
        .arg(script)
        .arg("-o")
        .arg(program)
        .arg(library);
    checked_output(&mut command).map(drop)
}

/// Where the linker script is kept for the linker to read.
pub(crate) fn script(folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join("guest.ld");
    crate::write::write_if_changed(&path, virtine_rt::LINKER_SCRIPT.as_bytes())?;
    Ok(path)
}
