//! The steps in their order, from the package to its report.

use syn::{ItemFn, Meta};

use crate::cfg::Cfg;
use crate::environment::Environment;
use crate::error::Error;
use crate::guests;
use crate::hosts;
use crate::index::{Index, Item};
use crate::package::{Library, Package, TargetRoot};
use crate::report::{self, Outcome, Report, Standing};
use crate::source::Sources;
use crate::syntax::{self, Settings};
use crate::watch;

/// Builds all guests of the package that the build script belongs to.
pub(crate) fn run() -> Result<(), Error> {
    let environment = Environment::load()?;
    let package = Package::load(&environment)?;
    let cfg = Cfg::new(environment.cfg.clone());
    let crates = load_crates(&package, &cfg)?;
    watch::what_was_read(&package, &environment, &crates);
    let functions = match environment.docs_rs {
        true => crates
            .iter()
            .filter(|one| one.root.library == Library::Facade)
            .flat_map(left_out)
            .collect(),
        false => guests::build(&crates, &package, &environment)?,
    };
    watch::what_was_compiled(&environment);
    let report = Report {
        host: host(&package),
        functions,
    };
    report.write(&environment.out_dir)
}

/// One of the package's targets that has virtines.
pub(crate) struct Crate<'a> {
    pub(crate) root: &'a TargetRoot,
    pub(crate) sources: Sources,
    pub(crate) index: Index,
}

fn load_crates<'a>(package: &'a Package, cfg: &Cfg) -> Result<Vec<Crate<'a>>, Error> {
    let crates = package.targets.iter().map(|root| load(root, cfg));
    let mut crates: Vec<Crate<'a>> = crates.collect::<Result<_, _>>()?;
    // What is emitted differs, so those with the real std are crates of their own.
    let with_std: Vec<usize> = (0..crates.len())
        .filter(|&at| {
            crates[at]
                .index
                .virtines()
                .any(|(_, _, one)| wants_std(one))
        })
        .collect();
    for at in with_std {
        let twin = package.with_std.iter().find(|twin| {
            twin.target.crate_name == crates[at].root.target.crate_name
                && twin.file == crates[at].root.file
                && twin.target.bin_name == crates[at].root.target.bin_name
        });
        if let Some(root) = twin {
            crates.push(load(root, cfg)?);
        }
    }
    Ok(crates)
}

fn load<'a>(root: &'a TargetRoot, cfg: &Cfg) -> Result<Crate<'a>, Error> {
    let sources = Sources::load(&root.file, cfg)?;
    let mut index = Index::new(&sources, cfg, root.units);
    hosts::mark(&mut index, root.library.runtime());
    Ok(Crate {
        root,
        sources,
        index,
    })
}

fn wants_std(attribute: &Meta) -> bool {
    let settings = syntax::arguments(attribute).and_then(Settings::parse);
    settings.is_ok_and(|settings| settings.std)
}

/// What the macro's expansion refers to, which `package =` may have renamed.
fn host(package: &Package) -> String {
    let mut dependencies = package.dependencies.iter();
    let host = dependencies.find(|one| one.package == "wasp-core");
    host.map_or("wasp_core".to_owned(), |one| one.name.clone())
}

fn left_out(one: &Crate<'_>) -> Vec<report::Entry> {
    let virtines = one.index.virtines();
    virtines
        .map(|(item, function, _)| entry(one, item, function, Outcome::LeftOut))
        .collect()
}

/// What the report says of a function.
pub(crate) fn entry(
    one: &Crate<'_>,
    item: usize,
    function: &ItemFn,
    outcome: Outcome,
) -> report::Entry {
    let Item { place, module, .. } = &one.index.items[item];
    let file = &one.sources.files[place.file];
    let name = function.sig.ident.to_string();
    report::Entry {
        file: file.path.clone(),
        line: function.sig.ident.span().start().line,
        standing: standing(&one.index, *module, &name),
        name,
        target: one.root.target.clone(),
        outcome,
    }
}

fn standing(index: &Index, module: usize, name: &str) -> Standing {
    if index.modules[module].block.is_some() {
        Standing::Body
    } else if index.imports_beside_namesake(name) {
        Standing::ModuleOfNamesake
    } else {
        Standing::Module
    }
}
