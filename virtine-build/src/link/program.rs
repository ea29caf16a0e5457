//! Links the program of a guest and writes the files that the macro includes: the image, which all virtines of the
//! guest share, and the entry points of each virtine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use virtine_rt::abi::image::{self, Entries, ID_SIZE, Image};

use crate::base::error::Error;
use crate::base::files::{remove, write_if_changed};
use crate::cargo::environment::Environment;
use crate::emit::removals::part_of_stub;
use crate::emit::shim::start_symbol;
use crate::link::elf::{Elf, Executable};
use crate::link::linker::{Linker, START};
use crate::model::{Guest, Missing, Virtine};
use crate::report;

/// The result for one virtine.
pub(crate) enum Linked {
    /// Image and entry points are written.
    Complete,
    /// The sizes in the attribute do not fit the image. Holds the reason.
    Unfit(String),
    /// It needs removed parts, or it was removed itself.
    Incomplete(Missing),
    /// It is complete, but others are not, so there is no image.
    Blocked,
}

/// Links the program of a guest. Returns the results for its virtines, in their order.
pub(crate) fn link(
    guest: &Guest<'_>,
    library: &Path,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<Linked>, Error> {
    let target = &guest.of.root.target.folder;
    let builder = Builder {
        guest,
        linker: Linker::new(library, folder, environment, guest.of.root.library)?,
        program: folder.join(format!("{target}.elf")),
        images: folder.join(report::IMAGES).join(target),
        record: folder.join(format!("{target}.made")),
    };
    builder.build(&builder.inputs(library)?)
}

struct Builder<'a> {
    guest: &'a Guest<'a>,
    linker: Linker,
    program: PathBuf,
    /// The folder of the image and the entry points.
    images: PathBuf,
    /// The file that records the inputs of the program.
    record: PathBuf,
}

impl Builder<'_> {
    fn build(&self, inputs: &str) -> Result<Vec<Linked>, Error> {
        if fs::read(&self.record).is_ok_and(|old| old == inputs.as_bytes()) {
            return Ok(self.all(|_| Linked::Complete));
        }
        // If a later step fails, the old record must not describe a new image.
        remove(&self.record)?;
        let present = self.present();
        self.linker.link(&symbols(&present), &self.program)?;
        let executable = Executable::read(&self.program)?;
        let elf = executable.parse()?;
        let addresses = elf.symbols();
        if present.len() < self.guest.virtines.len() || !removed_parts(&addresses).is_empty() {
            return self.incomplete(&present);
        }
        let linked = match elf.image()? {
            Ok(image) => self.write(&image, &elf, &addresses)?,
            Err(error) => self.all(|_| Linked::Unfit(error.to_string())),
        };
        // The next build must report again what does not fit.
        if linked
            .iter()
            .all(|linked| matches!(linked, Linked::Complete))
        {
            write_if_changed(&self.record, inputs.as_bytes())?;
        }
        Ok(linked)
    }

    fn all(&self, linked: impl Fn(&Virtine<'_>) -> Linked) -> Vec<Linked> {
        self.guest.virtines.iter().map(linked).collect()
    }

    /// Everything that the image and the entry points depend on.
    fn inputs(&self, library: &Path) -> Result<String, Error> {
        let metadata = fs::metadata(library).map_err(Error::file("read", library))?;
        let changed = metadata.modified().map_err(Error::file("read", library))?;
        let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        let head = format!(
            "{} {} {changed:?} {}\n",
            env!("CARGO_PKG_VERSION"),
            virtine_rt::LINKER_SCRIPT,
            metadata.len()
        );
        let virtines = self.guest.virtines.iter().map(|virtine| {
            let path = self.entries_file(virtine);
            let settings = &virtine.settings;
            let init = settings.init.is_some();
            format!("{} {init} {:?}\n", path.display(), settings.sizes())
        });
        Ok(virtines.fold(head, |inputs, line| inputs + &line))
    }

    /// The virtines that were not removed.
    fn present(&self) -> Vec<&Virtine<'_>> {
        let virtines = self.guest.virtines.iter();
        virtines
            .filter(|virtine| self.guest.error_of_removal(virtine).is_none())
            .collect()
    }

    /// Finds the virtines that need removed parts.
    fn incomplete(&self, present: &[&Virtine<'_>]) -> Result<Vec<Linked>, Error> {
        let mut missing = BTreeMap::new();
        self.find_missing(present, &mut missing)?;
        Ok(
            self.all(|virtine| match self.guest.error_of_removal(virtine) {
                Some(error) => Linked::Incomplete(Missing::Itself(error)),
                None => match missing.get(&virtine.item) {
                    Some(parts) => Linked::Incomplete(Missing::Parts(parts.clone())),
                    None => Linked::Blocked,
                },
            }),
        )
    }

    /// Finds the removed parts that each virtine needs. Few virtines are incomplete and linking takes time, so this is
    /// a bisection.
    fn find_missing(
        &self,
        virtines: &[&Virtine<'_>],
        missing: &mut BTreeMap<usize, Vec<usize>>,
    ) -> Result<(), Error> {
        self.linker.link(&symbols(virtines), &self.program)?;
        let executable = Executable::read(&self.program)?;
        let parts = removed_parts(&executable.parse()?.symbols());
        match virtines {
            _ if parts.is_empty() => {}
            [virtine] => _ = missing.insert(virtine.item, parts),
            _ => {
                let (one, other) = virtines.split_at(virtines.len() / 2);
                self.find_missing(one, missing)?;
                self.find_missing(other, missing)?;
            }
        }
        Ok(())
    }

    /// Writes the image and the entry points of all virtines.
    fn write(
        &self,
        image: &Image<'_>,
        elf: &Elf<'_>,
        addresses: &BTreeMap<&str, u64>,
    ) -> Result<Vec<Linked>, Error> {
        write_if_changed(&self.images.join(report::IMAGE), &image.to_bytes())?;
        self.keep(&image.id)?;
        let address = |symbol: &str| {
            let address = addresses.get(symbol).copied();
            address.ok_or_else(|| elf.no_symbol(symbol))
        };
        let mut linked = Vec::new();
        for virtine in &self.guest.virtines {
            let start = match virtine.settings.init {
                Some(_) => address(&start_symbol(&virtine.symbol))?,
                None => address(START)?,
            };
            let call = address(&virtine.symbol)?;
            let entries = Entries { start, call };
            write_if_changed(&self.entries_file(virtine), &entries.to_bytes())?;
            let sizes = virtine.settings.sizes();
            linked.push(match image::Program::new(image, entries, sizes) {
                Ok(_) => Linked::Complete,
                Err(error) => Linked::Unfit(error.to_string()),
            });
        }
        Ok(linked)
    }

    /// Keeps the program for its line information. Its name contains the identity of the image. Programs of
    /// older images are removed.
    fn keep(&self, id: &[u8; ID_SIZE]) -> Result<(), Error> {
        let folder = self.program.parent().unwrap_or(Path::new(""));
        let target = self.program.file_stem().unwrap_or_default();
        let mut name = target.to_owned();
        name.push(image::program_suffix(id));
        let kept = folder.join(name);
        for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
            let path = entry.map_err(Error::file("read", folder))?.path();
            if is_program_of(target, &path) && path != kept && path != self.program {
                remove(&path)?;
            }
        }
        fs::rename(&self.program, &kept).map_err(Error::file("rename", &self.program))
    }

    /// The file of a virtine's entry points. The macro must derive the same name, so it consists of what
    /// `module_path!()` returns and, because bodies are not modules, the function's line.
    fn entries_file(&self, virtine: &Virtine<'_>) -> PathBuf {
        let of = self.guest.of;
        let module = &of.index.modules[of.index.items[virtine.item].module];
        let path = [of.root.target.crate_name.as_str()]
            .into_iter()
            .chain(module.path.iter().map(String::as_str));
        let path: Vec<&str> = path.collect();
        let name = virtine.syntax.sig.ident.to_string();
        let file = report::entries_file(&path.join("::"), &name, virtine.line());
        self.images.join(file)
    }
}

/// Whether a file is a kept program of this target: `target.identity.elf`.
fn is_program_of(target: &OsStr, file: &Path) -> bool {
    let stem = file.file_stem().map(Path::new);
    file.extension() == Some(OsStr::new("elf")) && stem.and_then(Path::file_stem) == Some(target)
}

/// All entry points of these virtines.
fn symbols<'a>(virtines: &[&'a Virtine<'a>]) -> Vec<String> {
    let starts = virtines.iter().filter(|one| one.settings.init.is_some());
    let starts = starts.map(|one| start_symbol(&one.symbol));
    let calls = virtines.iter().map(|one| one.symbol.clone());
    calls.chain(starts).collect()
}

/// The removed parts, by number, whose stubs are in the program.
fn removed_parts(addresses: &BTreeMap<&str, u64>) -> Vec<usize> {
    let symbols = addresses.keys();
    let mut parts: Vec<usize> = symbols.filter_map(|symbol| part_of_stub(symbol)).collect();
    parts.sort_unstable();
    parts
}
