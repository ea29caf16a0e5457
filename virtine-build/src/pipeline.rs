//! The steps of a build, from the package to its report.

use syn::Meta;

use crate::base::error::Error;
use crate::cargo::environment::Environment;
use crate::cargo::package::Package;
use crate::cargo::target::TargetRoot;
use crate::cargo::watch;
use crate::guests;
use crate::index::walk;
use crate::model::Crate;
use crate::report::{self, Outcome, Report};
use crate::slice::mark_host_functions;
use crate::source::cfg::Cfg;
use crate::source::files::Sources;
use crate::syntax::{Library, Settings, arguments};

/// Builds all guests of the package of the build script.
pub(crate) fn run() -> Result<(), Error> {
    let environment = Environment::load()?;
    let package = Package::load(&environment)?;
    let cfg = Cfg::new(environment.cfg.clone());
    let crates = load_crates(&package, &cfg)?;
    let sources = crates.iter().flat_map(|one| one.sources.paths().cloned());
    watch::sources(&package, &environment, sources)?;
    let functions = match environment.docs_rs {
        true => crates.iter().flat_map(left_out).collect(),
        false => guests::build(&crates, &package, &environment)?,
    };
    watch::compiled(&environment);
    let report = Report {
        host: host(&package),
        functions,
    };
    report.write(&environment.out_dir)
}

/// Loads the targets of the package. Virtines with the real std get separate crates, because the code that is written
/// for them differs.
fn load_crates<'a>(package: &'a Package, cfg: &Cfg) -> Result<Vec<Crate<'a>>, Error> {
    let crates = package.targets.iter().map(|root| load(root, cfg));
    let mut crates: Vec<Crate<'a>> = crates.collect::<Result<_, _>>()?;
    let of_package = package.library()?;
    let with_std = crates.iter().filter(|one| may_have_std(one, of_package));
    let twins = with_std.filter_map(|one| {
        let mut twins = package.with_std.iter();
        twins.find(|twin| twin.twins_folder() == one.root.twins_folder())
    });
    let twins: Vec<Crate<'a>> = twins
        .map(|root| load(root, cfg))
        .collect::<Result<_, _>>()?;
    crates.extend(twins);
    Ok(crates)
}

fn load<'a>(root: &'a TargetRoot, cfg: &Cfg) -> Result<Crate<'a>, Error> {
    let sources = Sources::load(&root.file, cfg)?;
    let mut index = walk::index(&sources, cfg, root.unit_tests);
    mark_host_functions(&mut index, root.library.runtime());
    Ok(Crate {
        root,
        sources,
        index,
    })
}

/// Whether any virtine of the crate may get the real std.
fn may_have_std(one: &Crate<'_>, of_package: Option<Library>) -> bool {
    let may_have = |attribute: &Meta| {
        let settings = arguments(attribute).and_then(Settings::parse);
        settings.is_ok_and(|settings| settings.pinned(of_package) != Some(Library::Facade))
    };
    let mut virtines = one.index.virtines();
    virtines.any(|(_, _, attribute)| may_have(attribute))
}

/// The name of the host's crate, which `package =` may have changed.
fn host(package: &Package) -> String {
    let mut dependencies = package.dependencies.iter();
    let host = dependencies.find(|one| one.package == "wasp-core");
    host.map_or("wasp_core".to_owned(), |one| one.name.clone())
}

/// The entries of a crate whose guests are not built.
fn left_out(one: &Crate<'_>) -> Vec<report::Entry> {
    if one.root.library != Library::Facade {
        return Vec::new();
    }
    let virtines = one.index.virtines();
    virtines
        .map(|(item, function, _)| one.entry(item, function, Outcome::LeftOut))
        .collect()
}
