//! The shared libraries of a program, as the host's dynamic linker finds them.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::tools;

/// Paths of all shared libraries that `program` needs. Empty for a static one.
pub(super) fn of(program: &Path) -> Result<Vec<String>, Error> {
    // ldd fails for a static program, and also for a script, so its status says nothing.
    let answer = tools::output("ldd", Command::new("ldd").arg(program)).unwrap_or_default();
    parse(&answer).map_err(|library| Error::NoLibrary {
        program: program.to_owned(),
        library: library.to_owned(),
    })
}

/// Parses the output of ldd. The error is a library that it did not find.
fn parse(answer: &str) -> Result<Vec<String>, &str> {
    answer
        .lines()
        .filter_map(|line| path(line).transpose())
        .collect()
}

/// One line: `NAME => PATH (ADDRESS)`, `PATH (ADDRESS)`, or only a name, which is the kernel's own library.
fn path(line: &str) -> Result<Option<String>, &str> {
    let line = line.trim();
    let (name, place) = line.split_once(" => ").unwrap_or((line, line));
    match place.split_once(" (") {
        _ if place == "not found" => Err(name),
        Some((path, _)) if path.starts_with('/') => Ok(Some(path.to_owned())),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_linker_are_taken_but_not_the_kernels_own() {
        let answer = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f00)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f01)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(parse(answer), Ok(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn static_program_needs_none() {
        assert_eq!(parse("\tstatically linked\n"), Ok(Vec::new()));
    }

    #[test]
    fn missing_library_is_named() {
        assert_eq!(parse("\tlibfoo.so.1 => not found\n"), Err("libfoo.so.1"));
    }
}
