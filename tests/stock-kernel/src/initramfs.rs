//! The machine's files, as an archive that the kernel unpacks into its memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::scratch;
use crate::tools;
use cpio::{Archive, Entry};
use passenger::Passenger;

mod cpio;
mod libraries;
pub(crate) mod passenger;

/// The machine's first process.
const INIT: &str = include_str!("initramfs/init.sh");

/// Folders that the init script mounts or fills.
const FOLDERS: [&str; 5] = ["bin", "dev", "proc", "sys", "tmp"];

/// The machine's files.
pub(crate) struct Initramfs {
    /// By path without the leading slash. In this order, a folder precedes its contents.
    entries: BTreeMap<String, Entry>,
}

impl Initramfs {
    /// The files that every machine has, with `command` for its shell.
    pub(crate) fn new(command: &str) -> Result<Self, Error> {
        let mut files = Self {
            entries: FOLDERS
                .map(|folder| (folder.to_owned(), Entry::Folder))
                .into(),
        };
        files.add("/init", INIT.into(), true)?;
        files.add("/command", format!("{command}\n").into(), false)?;
        files.add_programs(&[tools::BUSYBOX.find()?])?;
        Ok(files)
    }

    /// Adds programs to /bin, and the shared libraries that they need under their paths on the host.
    pub(crate) fn add_programs(&mut self, programs: &[PathBuf]) -> Result<(), Error> {
        for program in programs {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            self.add(&format!("/bin/{name}"), read(program)?, true)?;
            for library in libraries::of(program)? {
                self.add(&library, read(Path::new(&library))?, true)?;
            }
        }
        Ok(())
    }

    pub(crate) fn add_passengers(&mut self, passengers: &[Passenger]) -> Result<(), Error> {
        for Passenger { from, to } in passengers {
            self.add(to, read(Path::new(from))?, true)?;
        }
        Ok(())
    }

    /// Adds kernel modules, and the list from which the init script loads them: in this order, the last one with these
    /// parameters.
    pub(crate) fn add_modules(
        &mut self,
        modules: Vec<(&str, Vec<u8>)>,
        parameters: &str,
    ) -> Result<(), Error> {
        let names: Vec<_> = modules.iter().map(|&(name, _)| name).collect();
        let list = format!("{} {parameters}\n", names.join("\n"));
        self.add("/modules/list", list.into(), false)?;
        for (name, content) in modules {
            self.add(&format!("/modules/{name}"), content, false)?;
        }
        Ok(())
    }

    fn add(&mut self, path: &str, content: Vec<u8>, executable: bool) -> Result<(), Error> {
        let path = path.trim_start_matches('/');
        for (slash, _) in path.match_indices('/') {
            self.insert(&path[..slash], Entry::Folder)?;
        }
        let file = Entry::File {
            content,
            executable,
        };
        self.insert(path, file)
    }

    /// Programs may share libraries, so only a different entry under the same path is an error.
    fn insert(&mut self, path: &str, entry: Entry) -> Result<(), Error> {
        let kept = self.entries.entry(path.to_owned()).or_insert(entry.clone());
        match *kept == entry {
            true => Ok(()),
            false => Err(Error::Conflict(path.to_owned())),
        }
    }

    /// Writes the archive to a file without a name.
    pub(crate) fn store(&self) -> Result<File, Error> {
        scratch::nameless("initramfs", |file| self.write(file))
    }

    fn write(&self, file: &File) -> io::Result<()> {
        let mut archive = Archive::new(BufWriter::new(file));
        for (path, entry) in &self.entries {
            archive.write(path, entry)?;
        }
        archive.finish()?.flush()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::file("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Initramfs {
        Initramfs {
            entries: BTreeMap::new(),
        }
    }

    #[test]
    fn folders_of_a_file_come_before_it() {
        let mut files = empty();
        files.add("/a/b/c", vec![1], false).expect("no conflict");
        let paths: Vec<_> = files.entries.keys().collect();
        assert_eq!(paths, ["a", "a/b", "a/b/c"]);
    }

    #[test]
    fn same_file_may_come_twice() {
        let mut files = empty();
        files.add("/a", vec![1], true).expect("no conflict");
        assert!(files.add("/a", vec![1], true).is_ok());
    }

    #[test]
    fn different_files_of_one_path_are_an_error() {
        let mut files = empty();
        files.add("/a", vec![1], true).expect("no conflict");
        let same_path = files.add("/a", vec![2], true);
        let below_a_file = files.add("/a/b", vec![1], true);
        assert!(matches!(same_path, Err(Error::Conflict(path)) if path == "a"));
        assert!(matches!(below_a_file, Err(Error::Conflict(path)) if path == "a"));
    }

    #[test]
    fn modules_are_listed_in_the_order_of_loading_with_parameters_for_the_last() {
        let mut files = empty();
        let modules = vec![("kvm.ko", vec![1]), ("kvm-x.ko", vec![2])];
        files.add_modules(modules, "a=1 b=2").expect("no conflict");
        let list = files.entries["modules/list"].clone();
        assert_eq!(
            list,
            Entry::File {
                content: b"kvm.ko\nkvm-x.ko a=1 b=2\n".to_vec(),
                executable: false
            }
        );
        assert!(files.entries.contains_key("modules/kvm.ko"));
    }

    #[test]
    fn stored_archive_is_at_its_start() {
        let file = empty().store().expect("the temporary folder is writable");
        let content = io::read_to_string(file).expect("the file is readable");
        assert!(content.contains("TRAILER!!!"), "{content}");
    }
}
