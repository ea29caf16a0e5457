//! One program per virtine, linked and converted, by as many threads as the build may use.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::environment::Environment;
use crate::error::Error;
use crate::guests::{Guest, Virtine};
use crate::image::{self, Refusal, Sizes};
use crate::link::{self, Linking};
use crate::members::Members;
use crate::pipeline::Crate;
use crate::report;
use crate::write::write_if_changed;

/// What came of one virtine.
pub(crate) enum Program {
    /// Its image is written.
    Fit,
    /// The attribute's sizes do not fit; why.
    Unfit(String),
    /// It needs parts that were taken out, by number, or is gone itself.
    Incomplete(Missing),
}

/// What a program lacks.
pub(crate) enum Missing {
    /// The virtine itself, for an error.
    Itself(usize),
    /// Parts of the guest, by number.
    Parts(Vec<usize>),
}

/// Makes the programs of all virtines of a guest, in their order.
pub(crate) fn make(
    guest: &Guest<'_>,
    library: &Path,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<Program>, Error> {
    let linking = Linking {
        library,
        script: link::script(folder)?,
        linker: link::linker(environment)?,
    };
    let copy = format!("{}.previous.a", guest.of.root.target.folder);
    let members = Members::compare(library, folder.join(copy))?;
    let jobs: Vec<Job<'_>> = guest
        .virtines
        .iter()
        .map(|virtine| Job::new(guest, virtine, folder))
        .collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(number) else { return };
            let program = job.run(&linking, &members);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((number, program));
        }
    };
    thread::scope(|scope| {
        for _ in 1..workers().min(jobs.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    let programs: Result<Vec<Program>, Error> =
        done.into_iter().map(|(_, program)| program).collect();
    let programs = programs?;
    members.settle()?;
    Ok(programs)
}

/// As many as cargo runs compilers at a time.
fn workers() -> usize {
    let set = env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok());
    set.unwrap_or(1)
}

/// What one program is made from. Nothing of the syntax tree, which threads cannot share.
struct Job<'a> {
    symbol: &'a str,
    sizes: Sizes,
    image: PathBuf,
    /// The error for which the virtine itself was taken out.
    gone: Option<usize>,
}

impl<'a> Job<'a> {
    fn new(guest: &Guest<'_>, virtine: &'a Virtine<'_>, folder: &Path) -> Self {
        Self {
            symbol: &virtine.symbol,
            sizes: Sizes::of(&virtine.settings),
            image: image_file(guest.of, virtine, folder),
            gone: guest.pruned.is_gone(virtine.item, &guest.of.index),
        }
    }

    fn run(&self, linking: &Linking<'_>, members: &Members) -> Result<Program, Error> {
        if let Some(error) = self.gone {
            return Ok(Program::Incomplete(Missing::Itself(error)));
        }
        if self.is_made_of(members) {
            return Ok(Program::Fit);
        }
        let program = self.image.with_extension("elf");
        if let Some(parent) = program.parent() {
            fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
        }
        let made = self.is_made_by_this_recipe();
        let old = fs::read(&program).unwrap_or_default();
        // Whatever fails from here on must not leave the old record beside a new program.
        remove(&self.record())?;
        let used = link::link(linking, self.symbol, &program)?;
        let record = self.recipe() + &used.join("\n");
        let new = fs::read(&program).map_err(Error::file("read", &program))?;
        if made && old == new {
            // Converting takes longer than linking in a build script that is not optimised.
            write_if_changed(&self.record(), record.as_bytes())?;
            return Ok(Program::Fit);
        }
        match image::convert(&program, self.sizes) {
            Ok(converted) if !converted.absent.is_empty() => {
                Ok(Program::Incomplete(Missing::Parts(converted.absent)))
            }
            Ok(converted) => {
                write_if_changed(&self.image, &converted.image)?;
                write_if_changed(&self.record(), record.as_bytes())?;
                Ok(Program::Fit)
            }
            Err(Refusal::Unfit(reason)) => Ok(Program::Unfit(reason.to_string())),
            Err(Refusal::Broken(error)) => Err(error),
        }
    }

    /// Whether the image is there, made in the same way of members that have not changed since.
    fn is_made_of(&self, members: &Members) -> bool {
        let used = self.used();
        used.is_some_and(|used| members.are_unchanged(used.lines()))
    }

    /// Whether the image is there and made in the same way, of whatever members.
    fn is_made_by_this_recipe(&self) -> bool {
        self.used().is_some()
    }

    /// The members that the image was made of, where it is there and made in the same way.
    fn used(&self) -> Option<String> {
        let record = fs::read_to_string(self.record()).ok()?;
        let used = record.strip_prefix(&self.recipe())?;
        self.image.is_file().then(|| used.to_owned())
    }

    /// Where it is written what the image was made of.
    fn record(&self) -> PathBuf {
        self.image.with_extension("made")
    }

    /// All that an image is made of beside the library.
    fn recipe(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let length = virtine_rt::LINKER_SCRIPT.len();
        format!("{version} {length} {} {:?}\n", self.symbol, self.sizes)
    }
}

fn remove(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", file)(error))
        }
        _ => Ok(()),
    }
}

/// Named as the macro can name it too: by what `module_path!()` gives in the function's place.
fn image_file(one: &Crate<'_>, virtine: &Virtine<'_>, folder: &Path) -> PathBuf {
    let target = &one.root.target;
    let module = &one.index.modules[one.index.items[virtine.item].module];
    let function = virtine.syntax.sig.ident.to_string();
    let path: Vec<&str> = [target.crate_name.as_str()]
        .into_iter()
        .chain(module.path.iter().map(String::as_str))
        .chain([function.as_str()])
        .collect();
    folder
        .join(report::IMAGES)
        .join(&target.folder)
        .join(format!("{}.img", path.join("::")))
}
