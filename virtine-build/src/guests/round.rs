//! Compiles guests. Each round writes the crates, compiles them and removes what does not compile. The rounds
//! end when nothing more can be removed.

use std::path::Path;

use crate::base::error::Error;
use crate::cargo::environment::Environment;
use crate::cargo::features::FeatureTables;
use crate::cargo::package::{Dependency, Package};
use crate::compile::messages::{Compiled, Diagnostic};
use crate::compile::nested::Nested;
use crate::compile::prune::GuestView;
use crate::emit::guest_crate::{copy_lock, write_sources, write_workspace};
use crate::emit::manifest;
use crate::emit::mask::Mask;
use crate::emit::shim::Shim;
use crate::model::Guest;
use crate::syntax::Library;

/// Compiles the guests that use one kind of std. `folder` is the folder of all their files.
pub(super) fn compile(
    guests: &mut [&mut Guest<'_>],
    library: Library,
    folder: &Path,
    package: &Package,
    environment: &Environment,
) -> Result<Compiled, Error> {
    let mut guests: Vec<&mut Guest<'_>> = guests
        .iter_mut()
        .map(|guest| &mut **guest)
        .filter(|guest| !guest.virtines.is_empty())
        .collect();
    if guests.is_empty() {
        return Ok(Compiled::default());
    }
    let folder = match library {
        Library::Facade => folder.to_owned(),
        Library::Std => folder.join("std"),
    };
    let nested = Nested {
        workspace: folder.join("crate"),
        target_dir: folder.join("target"),
        library,
        package,
        environment,
    };
    write_workspace(&nested.workspace, &members(&guests), package)?;
    let mut round = Round {
        nested: &nested,
        features: FeatureTables::default(),
    };
    round.learn_features(&guests)?;
    loop {
        let (compiled, changed) = round.run(&mut guests)?;
        if !changed {
            return Ok(compiled);
        }
    }
}

/// The folders of the guests in the workspace.
fn members<'a>(guests: &[&mut Guest<'a>]) -> Vec<&'a str> {
    let guests = guests.iter();
    guests
        .map(|guest| guest.of.root.target.folder.as_str())
        .collect()
}

/// A round of compilation, in the workspace of this cargo.
struct Round<'a> {
    nested: &'a Nested<'a>,
    /// The features of the dependencies, for guests without std.
    features: FeatureTables,
}

/// A guest crate as it was written.
struct Emitted<'a> {
    mask: Mask,
    dependencies: Vec<&'a Dependency>,
}

impl<'a> Round<'a> {
    /// Asks cargo for the features of the dependencies, which only guests without std need. It can tell only once there
    /// are manifests.
    fn learn_features(&mut self, guests: &[&mut Guest<'_>]) -> Result<(), Error> {
        if self.nested.library == Library::Std {
            return Ok(());
        }
        let emitted = guests.iter().map(|guest| self.emit(guest));
        let emitted: Vec<Emitted<'_>> = emitted.collect::<Result<_, _>>()?;
        if emitted.iter().any(|one| !one.dependencies.is_empty()) {
            self.features = self.nested.feature_tables()?;
            copy_lock(&self.nested.workspace, self.nested.package)?;
        }
        Ok(())
    }

    /// Runs one round. Returns whether it removed anything.
    fn run(&self, guests: &mut [&mut Guest<'_>]) -> Result<(Compiled, bool), Error> {
        let emitted = guests.iter().map(|guest| self.emit(guest));
        let emitted: Vec<Emitted<'_>> = emitted.collect::<Result<_, _>>()?;
        let compiled = self.nested.compile(&members(guests))?;
        let mut changed = false;
        for (guest, emitted) in guests.iter_mut().zip(&emitted) {
            changed |= self.remove(guest, emitted, &compiled)?;
        }
        Ok((compiled, changed))
    }

    /// Writes the crate of a guest.
    fn emit(&self, guest: &Guest<'_>) -> Result<Emitted<'a>, Error> {
        let Nested {
            workspace,
            package,
            environment,
            ..
        } = self.nested;
        let (root, index) = (guest.of.root, &guest.of.index);
        let runtime = self.nested.library.runtime();
        let removals = &guest.pruned.removals;
        let mask = Mask::new(index, &guest.slice, removals, &shims(guest), runtime);
        let folder = workspace.join(&root.target.folder);
        write_sources(&folder, &guest.of.sources, &mask)?;
        let dependencies = package.dependencies.iter();
        let dependencies: Vec<&Dependency> = dependencies
            .filter(|one| !guest.left_out.contains(one) && mentions(guest, one))
            .collect();
        let packages = (*package, &*dependencies, &self.features);
        let mut files = guest.of.sources.files.iter();
        let reads_variables = files.any(|file| file.text.contains("env!"));
        manifest::write(&folder, root, environment, packages, reads_variables)?;
        Ok(Emitted { mask, dependencies })
    }

    /// Removes dependencies that do not compile or, if there are none, code that does not compile. Returns
    /// whether anything was removed.
    fn remove(
        &self,
        guest: &mut Guest<'_>,
        emitted: &Emitted<'_>,
        compiled: &Compiled,
    ) -> Result<bool, Error> {
        let errors = compiled.errors.get(&guest.of.root.guest_name());
        let errors: &[Diagnostic] = errors.map_or(&[], Vec::as_slice);
        let dependencies = &emitted.dependencies;
        let workspace = &self.nested.workspace;
        let view = GuestView {
            sources: &guest.of.sources,
            index: &guest.of.index,
            slice: &guest.slice,
            insertions: &emitted.mask.insertions,
        };
        let left_out = &mut guest.left_out;
        Ok(
            left_out.leave_out(compiled, errors, dependencies, workspace)?
                || guest.pruned.prune(errors, &view),
        )
    }
}

/// The shims of the virtines that were not removed.
fn shims<'a>(guest: &'a Guest<'_>) -> Vec<Shim<'a>> {
    let virtines = guest.virtines.iter();
    let present = virtines.filter(|virtine| guest.error_of_removal(virtine).is_none());
    present
        .map(|virtine| Shim {
            item: virtine.item,
            name: virtine.syntax.sig.ident.to_string(),
            function: &virtine.function,
            symbol: virtine.symbol.clone(),
            init: virtine.settings.init.as_ref(),
        })
        .collect()
}

/// Whether the guest mentions a dependency. Others are not compiled, which saves time.
fn mentions(guest: &Guest<'_>, dependency: &Dependency) -> bool {
    guest.slice.mentions(&guest.of.index, |path| {
        path.iter().any(|name| names(dependency, name))
    })
}

/// Whether the name of something leads to a dependency.
fn names(dependency: &Dependency, name: &str) -> bool {
    let derives = ["Serialize", "Deserialize"];
    match dependency.package.as_str() {
        // The host's half. Guests do not use it.
        "wasp-core" => false,
        "serde" => name == dependency.name || derives.contains(&name),
        _ => name == dependency.name,
    }
}
