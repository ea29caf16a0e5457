//! Builds all guests: compile, link, report.

use std::collections::BTreeSet;
use std::path::Path;

use crate::base::error::Error;
use crate::cargo::environment::Environment;
use crate::cargo::package::Package;
use crate::compile::messages::Compiled;
use crate::compile::prune::Pruned;
use crate::explain::failure;
use crate::guests::{prepare, round};
use crate::link::program::{self, Linked};
use crate::model::{Crate, Guest, Virtine};
use crate::report::{self, Outcome};
use crate::slice::Slice;
use crate::syntax::Library;

/// Builds all guests of a package.
///
/// If a function lacks something that its crate may have, its slice may be too small. Then the guests are built again,
/// with everything in the crate.
pub(crate) fn build(
    crates: &[Crate<'_>],
    package: &Package,
    environment: &Environment,
) -> Result<Vec<report::Entry>, Error> {
    let mut guests: Vec<Guest<'_>> = crates.iter().map(prepare::guest).collect();
    let entries = attempt(&mut guests, package, environment)?;
    let mut widened = false;
    for guest in &mut guests {
        if misses_something(guest) && has_failed(guest, &entries) {
            widen(guest);
            widened = true;
        }
    }
    match widened {
        true => attempt(&mut guests, package, environment),
        false => Ok(entries),
    }
}

/// Whether the slice of a guest may be too small. Crates that were left out do not count.
fn misses_something(guest: &Guest<'_>) -> bool {
    let is_left_out = |error: &_| guest.left_out.reason(error).is_some();
    guest.pruned.misses_something(is_left_out)
}

fn has_failed(guest: &Guest<'_>, entries: &[report::Entry]) -> bool {
    let mut entries = entries.iter();
    entries.any(|entry| {
        entry.target == guest.of.root.target && matches!(entry.outcome, Outcome::Failed(_))
    })
}

/// Puts everything in the crate into the guest.
fn widen(guest: &mut Guest<'_>) {
    guest.slice = Slice::all(&guest.of.index);
    guest.pruned = Pruned::default();
}

fn attempt(
    guests: &mut [Guest<'_>],
    package: &Package,
    environment: &Environment,
) -> Result<Vec<report::Entry>, Error> {
    let folder = environment.out_dir.join(report::FOLDER);
    let mut entries = Vec::new();
    for library in [Library::Facade, Library::Std] {
        let guests = guests.iter_mut();
        let mut guests: Vec<&mut Guest<'_>> = guests
            .filter(|guest| guest.of.root.library == library)
            .collect();
        let compiled = round::compile(&mut guests, library, &folder, package, environment)?;
        for guest in guests {
            entries.extend(finish(guest, &compiled, &folder, environment)?);
            entries.extend(guest.rejected.iter().cloned());
        }
    }
    Ok(entries)
}

/// Links a guest that compiled, and reports the errors of one that did not.
fn finish(
    guest: &Guest<'_>,
    compiled: &Compiled,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<report::Entry>, Error> {
    let outcomes = match compiled.libraries.get(&guest.of.root.guest_name()) {
        Some(library) => link(guest, library, folder, environment)?,
        None => failure::uncompiled(guest, compiled)?,
    };
    let entries = guest.virtines.iter().zip(outcomes);
    Ok(entries
        .map(|(virtine, outcome)| guest.of.entry(virtine.item, virtine.syntax, outcome))
        .collect())
}

fn link(
    guest: &Guest<'_>,
    library: &Path,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<Outcome>, Error> {
    let linked = program::link(guest, library, folder, environment)?;
    let carrier = carrier(guest);
    let mut reported = BTreeSet::new();
    let linked = guest.virtines.iter().zip(linked);
    Ok(linked
        .map(|(virtine, linked)| match linked {
            Linked::Complete => Outcome::Built {
                carries: Some(virtine.item) == carrier,
            },
            Linked::Unfit(reason) => Outcome::Failed(reason),
            Linked::Incomplete(missing) => {
                failure::incomplete(guest, virtine, &missing, &mut reported)
            }
            Linked::Blocked => Outcome::Blocked,
        })
        .collect())
}

/// The virtine, by item, whose expansion includes the image. If possible one that the host's build cannot
/// exclude: neither in a body nor with a `cfg`.
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
