//! The host programs and files that this program uses, and where Debian has them.

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;
use crate::processor::Processor;

pub(crate) const QEMU: &str = "qemu-system-x86_64";
pub(crate) const BOCHS: &str = "bochs-bin";
pub(crate) const BOCHS_BIOS: &str = "/usr/share/bochs/BIOS-bochs-latest";
pub(crate) const BOCHS_VGA_BIOS: &str = "/usr/share/vgabios/vgabios.bin";
pub(crate) const GRUB_MKRESCUE: &str = "grub-mkrescue";
/// GRUB's modules for a PC's BIOS.
pub(crate) const GRUB_MODULES: &str = "/usr/lib/grub/i386-pc";

pub(crate) const BUSYBOX: Tool = Tool::new("busybox", "busybox-static");

const FOR_ALL: [Tool; 6] = [
    BUSYBOX,
    Tool::new("setpriv", "util-linux"),
    Tool::new("ldd", "libc-bin"),
    Tool::new("apt-cache", "apt"),
    Tool::new("apt-get", "apt"),
    Tool::new("dpkg-deb", "dpkg"),
];

const FOR_QEMU: [Tool; 1] = [Tool::new(QEMU, "qemu-system-x86")];

const FOR_BOCHS: [Tool; 7] = [
    Tool::new(BOCHS, "bochs"),
    Tool::new(
        "/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so",
        "bochs-term",
    ),
    Tool::new(BOCHS_BIOS, "bochsbios"),
    Tool::new(BOCHS_VGA_BIOS, "vgabios"),
    Tool::new(GRUB_MKRESCUE, "grub-common"),
    Tool::new(GRUB_MODULES, "grub-pc-bin"),
    Tool::new("xorriso", "xorriso"),
];

/// A program by name, or another file by absolute path.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    name: &'static str,
    /// The Debian package that contains it.
    package: &'static str,
}

impl Tool {
    const fn new(name: &'static str, package: &'static str) -> Self {
        Self { name, package }
    }

    /// Finds its path.
    pub(crate) fn find(self) -> Result<PathBuf, Error> {
        let folders = env::var_os("PATH").unwrap_or_default();
        // An absolute name replaces the folder.
        env::split_paths(&folders)
            .map(|folder| folder.join(self.name))
            .find(|path| path.exists())
            .ok_or_else(|| missing(&[self]))
    }
}

/// Reports everything that a machine with this CPU lacks, before doing anything.
pub(crate) fn check(processor: Processor) -> Result<(), Error> {
    let special: &[Tool] = match processor {
        Processor::Amd => &FOR_QEMU,
        Processor::Intel => &FOR_BOCHS,
    };
    let lacking: Vec<_> = FOR_ALL
        .iter()
        .chain(special)
        .copied()
        .filter(|tool| tool.find().is_err())
        .collect();
    match lacking.is_empty() {
        true => Ok(()),
        false => Err(missing(&lacking)),
    }
}

fn missing(tools: &[Tool]) -> Error {
    let packages: BTreeSet<_> = tools.iter().map(|tool| tool.package).collect();
    Error::MissingTools {
        names: tools.iter().map(|tool| tool.name).collect(),
        packages: packages.into_iter().collect(),
    }
}

/// Runs a program until it exits, and returns its standard output.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tools_are_named_with_the_packages_that_have_them() {
        let tools = [("a", "one"), ("b", "two"), ("/c", "one")];
        let text = missing(&tools.map(|(name, package)| Tool::new(name, package))).to_string();
        assert!(text.starts_with("missing here: a, b, /c; "), "{text}");
        assert!(text.ends_with(" one two`"), "{text}");
    }

    #[test]
    fn tool_is_found_by_its_name_or_its_path() {
        let find = |name| Tool::new(name, "").find().ok();
        let shell = find("sh").expect("every host has a shell");
        assert!(shell.is_absolute(), "{shell:?}");
        assert_eq!(find("/proc/self"), Some("/proc/self".into()));
        assert_eq!(find("/proc/no-such-file"), None);
    }
}
