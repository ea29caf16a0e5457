//! The steps in their order, from the package to its report.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::{Attribute, ItemFn};

use crate::cfg::Cfg;
use crate::compile::{self, Compiled, Diagnostic};
use crate::emit;
use crate::environment::Environment;
use crate::error::Error;
use crate::image::{self, Refusal};
use crate::index::Index;
use crate::link;
use crate::package::{Package, TargetRoot};
use crate::report::{self, Outcome, Report};
use crate::slice::Slice;
use crate::source::{self, Sources};
use crate::syntax::{self, Function, Settings};
use crate::write::write_if_changed;

/// Builds all guests of the package that the build script belongs to.
pub(crate) fn run() -> Result<(), Error> {
    let environment = Environment::load()?;
    let package = Package::load(&environment)?;
    let cfg = Cfg::new(environment.cfg.clone());
    let crates = load_crates(&package, &cfg)?;
    tell_cargo_what_was_read(&package, &environment, &crates);
    let report = match environment.docs_rs {
        true => Report {
            functions: crates.iter().flat_map(left_out).collect(),
        },
        false => build(&crates, &package, &environment)?,
    };
    report.write(&environment.out_dir)
}

/// One of the package's targets that has virtines.
struct Crate<'a> {
    root: &'a TargetRoot,
    sources: Sources,
    index: Index,
}

fn load_crates<'a>(package: &'a Package, cfg: &Cfg) -> Result<Vec<Crate<'a>>, Error> {
    package
        .targets
        .iter()
        .map(|root| {
            let sources = Sources::load(&root.file, cfg)?;
            let index = Index::new(&sources, cfg);
            Ok(Crate {
                root,
                sources,
                index,
            })
        })
        .collect()
}

/// Exactly the files that were read: a module cannot be added without an edit to its parent.
#[expect(
    clippy::print_stdout,
    reason = "cargo reads a build script's standard output"
)]
fn tell_cargo_what_was_read(package: &Package, environment: &Environment, crates: &[Crate<'_>]) {
    let lock = package.workspace_root.join("Cargo.lock");
    let mut files = BTreeSet::from([environment.manifest_dir.join("Cargo.toml")]);
    files.extend(lock.is_file().then_some(lock));
    for one in crates {
        files.extend(one.sources.files.iter().map(|file| file.path.clone()));
        files.extend(one.sources.unparsed.iter().cloned());
    }
    // The guest's half of the runtime is no part of any host crate, so nothing else watches it.
    source::rust_files(&Path::new(virtine_rt::MANIFEST_DIR).join("src"), &mut files);
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    for name in Environment::watched() {
        println!("cargo::rerun-if-env-changed={name}");
    }
}

fn left_out(one: &Crate<'_>) -> Vec<report::Entry> {
    let virtines = one.index.virtines();
    virtines
        .map(|(item, function, _)| entry(one, item, function, Outcome::LeftOut))
        .collect()
}

fn entry(one: &Crate<'_>, item: usize, function: &ItemFn, outcome: Outcome) -> report::Entry {
    let file = &one.sources.files[one.index.items[item].place.file];
    report::Entry {
        file: file.path.clone(),
        line: function.sig.ident.span().start().line,
        name: function.sig.ident.to_string(),
        target: one.root.target.clone(),
        outcome,
    }
}

/// A function on its way to an image.
struct Virtine<'a> {
    item: usize,
    syntax: &'a ItemFn,
    function: Function,
    settings: Settings,
    slice: Slice,
    symbol: String,
}

/// A target's functions, once those are sorted out that the macro refuses.
struct Guest<'a> {
    of: &'a Crate<'a>,
    virtines: Vec<Virtine<'a>>,
    refused: Vec<report::Entry>,
}

fn build(
    crates: &[Crate<'_>],
    package: &Package,
    environment: &Environment,
) -> Result<Report, Error> {
    let folder = environment.out_dir.join(report::FOLDER);
    let guests: Vec<Guest<'_>> = crates.iter().map(slice).collect();
    let to_build: Vec<&Guest<'_>> = guests
        .iter()
        .filter(|guest| !guest.virtines.is_empty())
        .collect();
    let compiled = match to_build.is_empty() {
        true => Compiled::default(),
        false => compile_guests(&to_build, &folder, package, environment)?,
    };
    let mut functions = Vec::new();
    for guest in guests {
        functions.extend(finish(&guest, &compiled, &folder, environment)?);
        functions.extend(guest.refused);
    }
    Ok(Report { functions })
}

fn slice<'a>(of: &'a Crate<'a>) -> Guest<'a> {
    let mut guest = Guest {
        of,
        virtines: Vec::new(),
        refused: Vec::new(),
    };
    for (number, (item, syntax, attribute)) in of.index.virtines().enumerate() {
        match check(syntax, attribute) {
            Ok((function, settings)) => guest.virtines.push(Virtine {
                item,
                syntax,
                function,
                settings,
                slice: Slice::of(&of.index, item),
                symbol: format!("virtine_body_{number}"),
            }),
            // The macro finds the same errors and reports them in their places.
            Err(_) => guest
                .refused
                .push(entry(of, item, syntax, Outcome::Blocked)),
        }
    }
    guest
}

fn check(function: &ItemFn, attribute: &Attribute) -> syn::Result<(Function, Settings)> {
    let settings = Settings::parse(syntax::arguments(attribute)?)?;
    Ok((Function::check(function)?, settings))
}

fn compile_guests(
    guests: &[&Guest<'_>],
    folder: &Path,
    package: &Package,
    environment: &Environment,
) -> Result<Compiled, Error> {
    let workspace = folder.join("crate");
    let members: Vec<&str> = guests
        .iter()
        .map(|guest| guest.of.root.target.folder.as_str())
        .collect();
    for guest in guests {
        emit_guest(guest, &workspace, environment)?;
    }
    emit::write_workspace(&workspace, &members, package)?;
    compile::compile(
        &workspace,
        &folder.join("target"),
        environment,
        package,
        &members,
    )
}

fn emit_guest(guest: &Guest<'_>, workspace: &Path, environment: &Environment) -> Result<(), Error> {
    let Crate {
        root,
        sources,
        index,
    } = guest.of;
    let mut union = Slice::default();
    guest
        .virtines
        .iter()
        .for_each(|virtine| union.extend(&virtine.slice));
    let entries: Vec<emit::Entry<'_>> = guest
        .virtines
        .iter()
        .map(|virtine| emit::Entry {
            item: virtine.item,
            name: virtine.syntax.sig.ident.to_string(),
            function: &virtine.function,
            symbol: virtine.symbol.clone(),
        })
        .collect();
    let folder = workspace.join(&root.target.folder);
    emit::write_crate(&folder, sources, index, &union, &entries)?;
    emit::write_manifest(&folder, root, environment, mentions_serde(index, &union))
}

/// Whether the guest needs the crate `serde` itself, which costs its derive macro's build.
fn mentions_serde(index: &Index, slice: &Slice) -> bool {
    let serde = |name: &String| matches!(name.as_str(), "serde" | "Serialize" | "Deserialize");
    slice.items.iter().any(|&item| {
        index.items[item]
            .mentions
            .iter()
            .any(|mention| mention.path.iter().any(serde))
    })
}

/// Links and converts what compiled; tells why of what did not.
fn finish(
    guest: &Guest<'_>,
    compiled: &Compiled,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<report::Entry>, Error> {
    let name = emit::guest_name(guest.of.root);
    let library = compiled.libraries.get(&name);
    let errors = compiled
        .errors
        .get(&name)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let blame = blame(guest, errors);
    let mut entries = Vec::new();
    for (virtine, blame) in guest.virtines.iter().zip(blame) {
        let outcome = match library {
            Some(library) => make_image(guest.of, virtine, library, folder, environment)?,
            None if compiled.errors.is_empty() => {
                let reason = format!("neither a library nor an error for {name}");
                return Err(Error::Output {
                    command: "cargo build",
                    reason,
                });
            }
            None if blame.is_empty() => Outcome::Blocked,
            None => Outcome::Failed(blame),
        };
        entries.push(entry(guest.of, virtine.item, virtine.syntax, outcome));
    }
    Ok(entries)
}

/// For each function, the errors that it is told of: each error once, by the first function whose
/// slice holds the line, or by the first of all.
fn blame(guest: &Guest<'_>, errors: &[Diagnostic]) -> Vec<String> {
    let mut blame = vec![String::new(); guest.virtines.len()];
    for error in errors {
        let concerns = |virtine: &Virtine<'_>| {
            error
                .places
                .iter()
                .any(|(file, line)| holds(guest.of, &virtine.slice, file, *line))
        };
        let culprit = guest.virtines.iter().position(concerns).unwrap_or(0);
        if let Some(text) = blame.get_mut(culprit) {
            text.push_str(&error.rendered);
        }
    }
    blame
}

fn holds(one: &Crate<'_>, slice: &Slice, path: &Path, line: usize) -> bool {
    slice.items.iter().any(|&item| {
        let place = &one.index.items[item].place;
        let file = &one.sources.files[place.file];
        let line_of = |at: usize| 1 + file.text[..at].matches('\n').count();
        file.path == path && (line_of(place.bytes.start)..=line_of(place.bytes.end)).contains(&line)
    })
}

fn make_image(
    one: &Crate<'_>,
    virtine: &Virtine<'_>,
    library: &Path,
    folder: &Path,
    environment: &Environment,
) -> Result<Outcome, Error> {
    let file = image_file(one, virtine, folder);
    let program = file.with_extension("elf");
    if let Some(parent) = program.parent() {
        std::fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
    }
    link::link(
        library,
        &virtine.symbol,
        &program,
        &link::script(folder)?,
        environment,
    )?;
    match image::convert(&program, &virtine.settings) {
        Ok(image) => write_if_changed(&file, &image).map(|()| Outcome::Built),
        Err(Refusal::Unfit(reason)) => Ok(Outcome::Failed(reason.to_string())),
        Err(Refusal::Broken(error)) => Err(error),
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
