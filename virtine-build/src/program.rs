//! A guest's program made and cut into what the macro includes: the image, which all functions of the
//! guest share, and each function's entries into it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use virtine_rt::abi::image::{self, Entries, ID_SIZE};

use crate::environment::Environment;
use crate::error::Error;
use crate::guests::{Guest, Virtine};
use crate::image::{Executable, Program};
use crate::link::{Linking, START};
use crate::mask::start_symbol;
use crate::prune::MARK;
use crate::report;
use crate::write::write_if_changed;

/// What came of one virtine.
pub(crate) enum Made {
    /// Image and entries are written.
    Fit,
    /// The attribute's sizes do not fit; why.
    Unfit(String),
    /// It needs parts that were taken out, or is gone itself.
    Incomplete(Missing),
    /// Others are incomplete, so that there is no program.
    Blocked,
}

/// What a virtine lacks.
pub(crate) enum Missing {
    /// Itself, for an error.
    Itself(usize),
    /// Parts of the guest, by number.
    Parts(Vec<usize>),
}

/// Makes the program of a guest; tells what came of its virtines, in their order.
pub(crate) fn make(
    guest: &Guest<'_>,
    library: &Path,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<Made>, Error> {
    let target = &guest.of.root.target.folder;
    let maker = Maker {
        guest,
        linking: Linking::new(library, folder, environment, guest.of.root.library)?,
        program: folder.join(format!("{target}.elf")),
        images: folder.join(report::IMAGES).join(target),
        record: folder.join(format!("{target}.made")),
    };
    maker.make(&maker.recipe(library)?)
}

struct Maker<'a> {
    guest: &'a Guest<'a>,
    linking: Linking,
    program: PathBuf,
    images: PathBuf,
    /// Where it is written what the program was made of.
    record: PathBuf,
}

impl Maker<'_> {
    fn make(&self, recipe: &str) -> Result<Vec<Made>, Error> {
        if fs::read(&self.record).is_ok_and(|old| old == recipe.as_bytes()) {
            return Ok(self.all(|_| Made::Fit));
        }
        // Whatever fails from here on must not leave the old record beside a new image.
        remove(&self.record)?;
        let present = self.present();
        self.linking.link(&symbols(&present), &self.program)?;
        let executable = Executable::read(&self.program)?;
        let program = executable.parse()?;
        let addresses = program.symbols();
        if present.len() < self.guest.virtines.len() || !marks(&addresses).is_empty() {
            return self.incomplete(&present);
        }
        let made = self.cut(&program, &addresses)?;
        write_if_changed(&self.record, recipe.as_bytes())?;
        Ok(made)
    }

    fn all(&self, made: impl Fn(&Virtine<'_>) -> Made) -> Vec<Made> {
        self.guest.virtines.iter().map(made).collect()
    }

    /// All that the images are made of.
    fn recipe(&self, library: &Path) -> Result<String, Error> {
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
        Ok(virtines.fold(head, |recipe, line| recipe + &line))
    }

    fn present(&self) -> Vec<&Virtine<'_>> {
        let virtines = self.guest.virtines.iter();
        virtines
            .filter(|virtine| self.gone(virtine).is_none())
            .collect()
    }

    /// The error for which the virtine itself was taken out.
    fn gone(&self, virtine: &Virtine<'_>) -> Option<usize> {
        self.guest
            .pruned
            .is_gone(virtine.item, &self.guest.of.index)
    }

    /// Tells the virtines that need what was taken out from the others.
    fn incomplete(&self, present: &[&Virtine<'_>]) -> Result<Vec<Made>, Error> {
        let mut missing = BTreeMap::new();
        self.find_missing(present, &mut missing)?;
        Ok(self.all(|virtine| match self.gone(virtine) {
            Some(error) => Made::Incomplete(Missing::Itself(error)),
            None => match missing.get(&virtine.item) {
                Some(parts) => Made::Incomplete(Missing::Parts(parts.clone())),
                None => Made::Blocked,
            },
        }))
    }

    /// By bisection: few of many are incomplete, and each program takes a while to link.
    fn find_missing(
        &self,
        virtines: &[&Virtine<'_>],
        missing: &mut BTreeMap<usize, Vec<usize>>,
    ) -> Result<(), Error> {
        self.linking.link(&symbols(virtines), &self.program)?;
        let executable = Executable::read(&self.program)?;
        let parts = marks(&executable.parse()?.symbols());
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

    fn cut(
        &self,
        program: &Program<'_>,
        addresses: &BTreeMap<&str, u64>,
    ) -> Result<Vec<Made>, Error> {
        let image = match program.image()? {
            Ok(image) => image,
            Err(error) => return Ok(self.all(|_| Made::Unfit(error.to_string()))),
        };
        write_if_changed(&self.images.join(report::IMAGE), &image.to_bytes())?;
        self.keep(&image.id)?;
        let address = |symbol: &str| {
            let address = addresses.get(symbol).copied();
            address.ok_or_else(|| program.no_symbol(symbol))
        };
        let mut made = Vec::new();
        for virtine in &self.guest.virtines {
            let start = match virtine.settings.init {
                Some(_) => address(&start_symbol(&virtine.symbol))?,
                None => address(START)?,
            };
            let call = address(&virtine.symbol)?;
            let entries = Entries { start, call };
            write_if_changed(&self.entries_file(virtine), &entries.to_bytes())?;
            let sizes = virtine.settings.sizes();
            made.push(match image::Program::new(&image, entries, sizes) {
                Ok(_) => Made::Fit,
                Err(error) => Made::Unfit(error.to_string()),
            });
        }
        Ok(made)
    }

    /// Keeps the program for its line information, under a name by which it cannot be taken for that of an
    /// older image, of which the program goes.
    fn keep(&self, id: &[u8; ID_SIZE]) -> Result<(), Error> {
        let folder = self.program.parent().unwrap_or(Path::new(""));
        let target = self.program.file_stem().unwrap_or_default();
        let mut name = target.to_owned();
        name.push(image::program_suffix(id));
        let kept = folder.join(name);
        for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
            let path = entry.map_err(Error::file("read", folder))?.path();
            let is_program = path.extension() == Some(OsStr::new("elf"));
            let of = path
                .file_stem()
                .and_then(|stem| Path::new(stem).file_stem());
            if is_program && of == Some(target) && path != kept && path != self.program {
                remove(&path)?;
            }
        }
        fs::rename(&self.program, &kept).map_err(Error::file("rename", &self.program))
    }

    /// Named as the macro can name it too: by what `module_path!()` gives in the function's place, and,
    /// since a body is no module, by the function's line.
    fn entries_file(&self, virtine: &Virtine<'_>) -> PathBuf {
        let of = self.guest.of;
        let module = &of.index.modules[of.index.items[virtine.item].module];
        let name = &virtine.syntax.sig.ident;
        let path = [of.root.target.crate_name.as_str()]
            .into_iter()
            .chain(module.path.iter().map(String::as_str));
        let path: Vec<&str> = path.collect();
        let line = name.span().start().line;
        self.images.join(report::entries_file(
            &path.join("::"),
            &name.to_string(),
            line,
        ))
    }
}

/// All entry points of these virtines.
fn symbols<'a>(virtines: &[&'a Virtine<'a>]) -> Vec<String> {
    let starts = virtines.iter().filter(|one| one.settings.init.is_some());
    let starts = starts.map(|one| start_symbol(&one.symbol));
    let calls = virtines.iter().map(|one| one.symbol.clone());
    calls.chain(starts).collect()
}

/// The parts, by number, that a program needs and that were taken out of the guest.
fn marks(addresses: &BTreeMap<&str, u64>) -> Vec<usize> {
    let names = addresses.keys();
    let mut marks: Vec<usize> = names
        .filter_map(|name| name.strip_prefix(MARK)?.parse().ok())
        .collect();
    marks.sort_unstable();
    marks
}

fn remove(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", file)(error))
        }
        _ => Ok(()),
    }
}
