//! One program per function: its shim, bound to the runtime's call entry, and what that reaches.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compile::checked_output;
use crate::environment::Environment;
use crate::error::Error;
use crate::mask::init_symbol;

/// The runtime's name for the shim that a call runs; each link binds it to one function's.
const BODY: &str = "__virtine_body";
/// The runtime's name for what runs before the snapshot.
const INIT: &str = "__virtine_init";
/// The image's two entry points, both in virtine-rt.
pub(crate) const START: &str = "__virtine_start";
/// See [`START`].
pub(crate) const CALL: &str = "__virtine_call";

/// What all programs of a guest are linked from and by.
pub(crate) struct Linking<'a> {
    pub(crate) library: &'a Path,
    pub(crate) script: PathBuf,
    pub(crate) linker: PathBuf,
}

/// Links the function whose shim is `symbol` into the file `program`; returns the
/// library's members that went into it.
pub(crate) fn link(
    linking: &Linking<'_>,
    symbol: &str,
    program: &Path,
) -> Result<Vec<String>, Error> {
    let init = init_symbol(symbol);
    let undefined = [START, CALL, symbol, &init].map(|name| format!("--undefined={name}"));
    let mut command = Command::new(&linking.linker);
    command
        .args(["-nostdlib", "-static", "--no-pie", "--gc-sections"])
        // Many times as large as the program, and no part of the image.
        .arg("--strip-debug")
        // Twice, since once names whole libraries only.
        .args(["--trace", "--trace"])
        .args(["--build-id=none", "-z", "noexecstack", "-z", "norelro"])
        .args(["-z", "max-page-size=4096"])
        .args(undefined)
        .arg(format!("--defsym={BODY}={symbol}"))
        .arg(format!("--defsym={INIT}={init}"))
        .arg("-T")
        .arg(&linking.script)
        .arg("-o")
        .arg(program)
        .arg(linking.library);
    let output = checked_output(&mut command)?;
    let trace = String::from_utf8_lossy(&output.stdout);
    Ok(trace
        .lines()
        .filter_map(member)
        .map(str::to_owned)
        .collect())
}

/// `(library.a)member.o` or `library.a(member.o)`, by GNU's linker or LLVM's.
fn member(line: &str) -> Option<&str> {
    match line.strip_prefix('(') {
        Some(rest) => rest.split_once(')').map(|(_, member)| member),
        None => line
            .strip_suffix(')')?
            .rsplit_once('(')
            .map(|(_, member)| member),
    }
}

/// The linker behind the driver that is configured: with hundreds of programs, the driver's own two
/// processes for each would take longer than the linking.
pub(crate) fn linker(environment: &Environment) -> Result<PathBuf, Error> {
    let mut command = Command::new(&environment.linker);
    let output = checked_output(command.arg("-print-prog-name=ld"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

/// Where the linker script is kept for the linker to read.
pub(crate) fn script(folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join("guest.ld");
    crate::write::write_if_changed(&path, virtine_rt::LINKER_SCRIPT.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::member;

    #[test]
    fn members_are_told_in_the_words_of_either_linker() {
        assert_eq!(member("(/a/lib.a)one.o"), Some("one.o"));
        assert_eq!(member("/a/lib.a(one.o)"), Some("one.o"));
        assert_eq!(member("/a/lib.a"), None);
    }
}
