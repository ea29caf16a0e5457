//! From a package's crates to the images of their virtines.

use std::collections::BTreeSet;
use std::path::Path;

use syn::{ItemFn, Meta};

use crate::compile::{self, Compiled, Diagnostic};
use crate::emit;
use crate::environment::Environment;
use crate::error::Error;
use crate::failure;
use crate::left_out::LeftOut;
use crate::manifest;
use crate::mask::{self, Mask};
use crate::package::{Dependency, Library, Package};
use crate::pipeline::{Crate, entry};
use crate::program::{self, Made};
use crate::prune::Pruned;
use crate::report::{self, Outcome};
use crate::slice::Slice;
use crate::syntax::{self, Function, Settings};

/// A function on its way to an image.
pub(crate) struct Virtine<'a> {
    pub(crate) item: usize,
    pub(crate) syntax: &'a ItemFn,
    pub(crate) function: Function,
    pub(crate) settings: Settings,
    pub(crate) slice: Slice,
    /// What the linker knows its shim by.
    pub(crate) symbol: String,
}

/// A target's functions, once those are sorted out that the macro refuses.
pub(crate) struct Guest<'a> {
    pub(crate) of: &'a Crate<'a>,
    pub(crate) virtines: Vec<Virtine<'a>>,
    pub(crate) pruned: Pruned,
    pub(crate) left_out: LeftOut,
    /// What the virtines reach, together.
    slice: Slice,
    refused: Vec<report::Entry>,
}

/// Builds all guests of a package.
///
/// Where a function fails for want of something that its crate may have, the slice may have missed
/// it: then once more with everything in it.
pub(crate) fn build(
    crates: &[Crate<'_>],
    package: &Package,
    environment: &Environment,
) -> Result<Vec<report::Entry>, Error> {
    let mut guests: Vec<Guest<'_>> = crates.iter().map(Guest::new).collect();
    let functions = attempt(&mut guests, package, environment)?;
    let failed = |guest: &Guest<'_>| {
        let mut entries = functions.iter();
        entries.any(|entry| {
            entry.target == guest.of.root.target && matches!(entry.outcome, Outcome::Failed(_))
        })
    };
    let mut missing: Vec<&mut Guest<'_>> = guests
        .iter_mut()
        .filter(|guest| guest.misses_something() && failed(guest))
        .collect();
    if missing.is_empty() {
        return Ok(functions);
    }
    for guest in &mut missing {
        guest.widen();
    }
    attempt(&mut guests, package, environment)
}

fn attempt(
    guests: &mut [Guest<'_>],
    package: &Package,
    environment: &Environment,
) -> Result<Vec<report::Entry>, Error> {
    let folder = environment.out_dir.join(report::FOLDER);
    let mut functions = Vec::new();
    for library in [Library::Facade, Library::Std] {
        let guests: Vec<&mut Guest<'_>> = guests
            .iter_mut()
            .filter(|guest| guest.of.root.library == library)
            .collect();
        let (guests, compiled) = compile(guests, library, &folder, package, environment)?;
        for guest in guests {
            functions.extend(finish(guest, &compiled, &folder, environment)?);
            functions.extend(guest.refused.iter().cloned());
        }
    }
    Ok(functions)
}

impl<'a> Guest<'a> {
    fn new(of: &'a Crate<'a>) -> Self {
        let mut guest = Self {
            of,
            virtines: Vec::new(),
            pruned: Pruned::default(),
            left_out: LeftOut::default(),
            slice: Slice::default(),
            refused: Vec::new(),
        };
        for (item, syntax, attribute) in of.index.virtines() {
            let library = of.root.library;
            match check(syntax, attribute) {
                Ok((_, settings)) if settings.library() != library => {}
                Ok((function, settings)) => guest.virtines.push(Virtine {
                    item,
                    syntax,
                    function,
                    slice: Slice::of(&of.index, item, settings.init.as_ref()),
                    settings,
                    symbol: symbol(of, item, syntax),
                }),
                // The macro finds the same errors and reports them in their places.
                Err(_) if library == Library::Std => {}
                Err(_) => guest
                    .refused
                    .push(entry(of, item, syntax, Outcome::Blocked)),
            }
        }
        for virtine in &guest.virtines {
            guest.slice.extend(&virtine.slice);
        }
        guest
    }

    /// Puts everything that the crate has into the guest.
    fn widen(&mut self) {
        self.slice = Slice::all(&self.of.index);
        self.pruned = Pruned::default();
    }

    /// The virtines that are still there, as far as it takes to make their shims.
    fn entries(&self) -> Vec<mask::Entry<'_>> {
        let left = self
            .virtines
            .iter()
            .filter(|virtine| self.pruned.is_gone(virtine.item, &self.of.index).is_none());
        left.map(|virtine| mask::Entry {
            item: virtine.item,
            name: virtine.syntax.sig.ident.to_string(),
            function: &virtine.function,
            symbol: virtine.symbol.clone(),
            init: virtine.settings.init.as_ref(),
        })
        .collect()
    }

    /// Writes the guest's crate; returns what it is made of.
    fn emit<'p>(
        &self,
        workspace: &Path,
        package: &'p Package,
        environment: &Environment,
    ) -> Result<(Mask, Vec<&'p Dependency>), Error> {
        let Crate {
            root,
            sources,
            index,
        } = self.of;
        let runtime = root.library.runtime();
        let mask = Mask::new(index, &self.slice, &self.pruned, &self.entries(), runtime);
        let folder = workspace.join(&root.target.folder);
        emit::write_crate(&folder, sources, &mask)?;
        let dependencies = package.dependencies.iter();
        let dependencies: Vec<&Dependency> = dependencies
            .filter(|one| !self.left_out.contains(one) && self.mentions(one))
            .collect();
        manifest::write(&folder, root, environment, package, &dependencies)?;
        Ok((mask, dependencies))
    }

    /// Whether the guest needs a crate, which costs that crate's build.
    fn mentions(&self, dependency: &Dependency) -> bool {
        self.slice.mentions(&self.of.index, |path| {
            path.iter().any(|name| names(dependency, name))
        })
    }

    /// Whether the slice may be too small: a crate that was left out is missed for good.
    fn misses_something(&self) -> bool {
        self.pruned
            .misses_something(|error| self.left_out.reason(error).is_some())
    }

    /// Takes out what does not compile; returns whether that changed anything.
    fn prune(&mut self, errors: &[Diagnostic], mask: &Mask) -> bool {
        let Crate { sources, index, .. } = self.of;
        self.pruned.begin_round();
        let mut changed = false;
        for error in errors {
            changed |= self
                .pruned
                .take(error, sources, index, &self.slice, &mask.additions);
        }
        changed
    }
}

fn names(dependency: &Dependency, name: &str) -> bool {
    let derives = ["Serialize", "Deserialize"];
    match dependency.package.as_str() {
        // The host's half, of which nothing belongs into a guest.
        "wasp-core" => false,
        "serde" => name == dependency.name || derives.contains(&name),
        _ => name == dependency.name,
    }
}

/// Of the path and not of a number, so that one function more does not change all others; but a body has no
/// path.
fn symbol(of: &Crate<'_>, item: usize, function: &ItemFn) -> String {
    let item = &of.index.items[item];
    let module = &of.index.modules[item.module];
    let path = module.path.iter().chain(&item.names);
    let symbol = path.fold("virtine".to_owned(), |symbol, name| symbol + "." + name);
    match module.block {
        Some(_) => format!("{symbol}.{}", function.sig.ident.span().start().line),
        None => symbol,
    }
}

fn check(function: &ItemFn, attribute: &Meta) -> syn::Result<(Function, Settings)> {
    let settings = Settings::parse(syntax::arguments(attribute)?)?;
    Ok((Function::check(function)?, settings))
}

/// Compiles the guests, again and again without what does not compile in them, until what is left
/// does.
fn compile<'a, 'b>(
    mut guests: Vec<&'b mut Guest<'a>>,
    library: Library,
    folder: &Path,
    package: &Package,
    environment: &Environment,
) -> Result<(Vec<&'b mut Guest<'a>>, Compiled), Error> {
    let folder = match library {
        Library::Facade => folder.to_owned(),
        Library::Std => folder.join("std"),
    };
    let workspace = folder.join("crate");
    let target_dir = folder.join("target");
    let with_virtines = guests.iter().filter(|guest| !guest.virtines.is_empty());
    let members: Vec<&str> = with_virtines
        .map(|guest| guest.of.root.target.folder.as_str())
        .collect();
    if members.is_empty() {
        return Ok((guests, Compiled::default()));
    }
    emit::write_workspace(&workspace, &members, package)?;
    loop {
        let present = guests.iter().filter(|guest| !guest.virtines.is_empty());
        let emitted = present.map(|guest| guest.emit(&workspace, package, environment));
        let emitted: Vec<_> = emitted.collect::<Result<_, _>>()?;
        let compiled = compile::compile(
            &workspace,
            &target_dir,
            environment,
            package,
            &members,
            library,
        )?;
        let mut changed = false;
        let present = guests.iter_mut().filter(|guest| !guest.virtines.is_empty());
        for (guest, (mask, dependencies)) in present.zip(&emitted) {
            let errors = compiled.errors.get(&emit::guest_name(guest.of.root));
            let errors = errors.map_or(&[][..], Vec::as_slice);
            let left_out = &mut guest.left_out;
            changed |= left_out.leave_out(&compiled, errors, dependencies, &workspace)?
                || guest.prune(errors, mask);
        }
        if !changed {
            return Ok((guests, compiled));
        }
    }
}

/// Links and converts what compiled; tells why of what did not.
fn finish(
    guest: &Guest<'_>,
    compiled: &Compiled,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<report::Entry>, Error> {
    let outcomes = match compiled.libraries.get(&emit::guest_name(guest.of.root)) {
        Some(library) => linked(guest, library, folder, environment)?,
        None => failure::uncompiled(guest, compiled)?,
    };
    let entries = guest.virtines.iter().zip(outcomes);
    Ok(entries
        .map(|(virtine, outcome)| entry(guest.of, virtine.item, virtine.syntax, outcome))
        .collect())
}

fn linked(
    guest: &Guest<'_>,
    library: &Path,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<Outcome>, Error> {
    let made = program::make(guest, library, folder, environment)?;
    let carrier = carrier(guest);
    let mut told = BTreeSet::new();
    let outcomes = guest.virtines.iter().zip(made);
    Ok(outcomes
        .map(|(virtine, made)| match made {
            Made::Fit => Outcome::Built {
                carries: Some(virtine.item) == carrier,
            },
            Made::Unfit(reason) => Outcome::Failed(reason),
            Made::Incomplete(missing) => failure::incomplete(guest, virtine, &missing, &mut told),
            Made::Blocked => Outcome::Blocked,
        })
        .collect())
}

/// The function that includes the image: one that the host does not leave out for what only the compiler can
/// tell, where there is such a one.
fn carrier(guest: &Guest<'_>) -> Option<usize> {
    let is_certain = |virtine: &&Virtine<'_>| {
        let module = guest.of.index.items[virtine.item].module;
        let mut attributes = virtine.syntax.attrs.iter();
        guest.of.index.modules[module].block.is_none()
            && !attributes.any(|one| one.path().is_ident("cfg"))
    };
    let certain = guest.virtines.iter().find(is_certain);
    certain
        .or(guest.virtines.first())
        .map(|virtine| virtine.item)
}
