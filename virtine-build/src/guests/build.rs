//! Builds all guests: compile, link, report.

use std::collections::BTreeSet;
use std::path::Path;

use crate::base::error::Error;
use crate::cargo::environment::Environment;
use crate::cargo::note::note;
use crate::cargo::package::Package;
use crate::compile::messages::Compiled;
use crate::compile::prune::Pruned;
use crate::explain::failure;
use crate::guests::choices::Choices;
use crate::guests::{prepare, round};
use crate::link::program::{self, Linked};
use crate::model::{Choice, Crate, Guest, Virtine};
use crate::report::{self, Outcome};
use crate::slice::Slice;
use crate::syntax::Library;

/// Builds all guests of a package. Virtines that do not compile with the facade, and need not, get the real std.
pub(crate) fn build(
    crates: &[Crate<'_>],
    package: &Package,
    environment: &Environment,
) -> Result<Vec<report::Entry>, Error> {
    let mut choices = Choices::load(package, environment)?;
    let mut built = build_with(&choices, crates, package, environment)?;
    let mut given = BTreeSet::new();
    while !built.without_std.is_empty() {
        choices.give_std(&built.without_std);
        match build_with(&choices, crates, package, environment) {
            Ok(next) => {
                given.extend(built.without_std);
                built = next;
            }
            // The first errors tell more than that this machine cannot link std.
            Err(error) => {
                explain_without_std(&mut built.entries, &error);
                break;
            }
        }
    }
    for Choice { name, .. } in given.intersection(&built.with_std) {
        note(&format!(
            "`{name}` gets the real std, because it does not compile in the small guest without std; \
             `#[virtine(std)]` chooses this in the source, and `#[virtine(core)]` shows what it lacks"
        ));
    }
    choices.keep(&built.with_std)?;
    Ok(built.entries)
}

/// What came of one build with given choices.
#[derive(Default)]
struct Built {
    entries: Vec<report::Entry>,
    /// The virtines that do not compile with the facade, and may have the real std.
    without_std: Vec<Choice>,
    /// Those that do compile with the real std, and got it because they have to.
    with_std: BTreeSet<Choice>,
}

/// Builds all guests with these choices.
///
/// If a function lacks something that its crate may have, its slice may be too small. Then the guests are built again,
/// with everything in the crate.
fn build_with(
    choices: &Choices,
    crates: &[Crate<'_>],
    package: &Package,
    environment: &Environment,
) -> Result<Built, Error> {
    let guests = crates.iter().map(|one| prepare::guest(one, choices));
    let mut guests: Vec<Guest<'_>> = guests.collect();
    let built = attempt(&mut guests, package, environment)?;
    let mut widened = false;
    for guest in &mut guests {
        if misses_something(guest) && has_failed(guest, &built.entries) {
            widen(guest);
            widened = true;
        }
    }
    match widened {
        true => attempt(&mut guests, package, environment),
        false => Ok(built),
    }
}

/// Adds to the errors of virtines that the real std could not be tried.
fn explain_without_std(entries: &mut [report::Entry], error: &Error) {
    let mut outcomes = entries.iter_mut().map(|entry| &mut entry.outcome);
    if let Some(Outcome::Failed(text)) =
        outcomes.find(|outcome| matches!(outcome, Outcome::Failed(_)))
    {
        *text += &format!("  = note: it cannot be built with the real std either: {error}\n");
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
) -> Result<Built, Error> {
    let folder = environment.out_dir.join(report::FOLDER);
    let mut built = Built::default();
    for library in [Library::Facade, Library::Std] {
        let guests = guests.iter_mut();
        let mut guests: Vec<&mut Guest<'_>> = guests
            .filter(|guest| guest.of.root.library == library)
            .collect();
        let compiled = round::compile(&mut guests, library, &folder, package, environment)?;
        for guest in guests {
            let outcomes = finish(guest, &compiled, &folder, environment)?;
            built.add(guest, outcomes);
        }
    }
    Ok(built)
}

impl Built {
    fn add(&mut self, guest: &Guest<'_>, outcomes: Vec<Finished>) {
        for (virtine, finished) in guest.virtines.iter().zip(outcomes) {
            let choice = virtine.choice.clone();
            match (guest.of.root.library, finished.lacks_something) {
                (Library::Facade, true) => self.without_std.extend(choice),
                (Library::Std, false) => self.with_std.extend(choice),
                (Library::Facade, false) | (Library::Std, true) => {}
            }
            let entry = guest
                .of
                .entry(virtine.item, virtine.syntax, finished.outcome);
            self.entries.push(entry);
        }
        self.entries.extend(guest.rejected.iter().cloned());
    }
}

/// The outcome for a virtine.
struct Finished {
    outcome: Outcome,
    /// Whether it does not compile with this library.
    lacks_something: bool,
}

/// Links a guest that compiled, and reports the errors of one that did not.
fn finish(
    guest: &Guest<'_>,
    compiled: &Compiled,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<Finished>, Error> {
    match compiled.libraries.get(&guest.of.root.guest_name()) {
        Some(library) => link(guest, library, folder, environment),
        None => Ok(uncompiled(failure::uncompiled(guest, compiled)?)),
    }
}

/// The outcomes for a guest whose errors no removal mends. If none of them belongs to a virtine, all of them may need
/// something else.
fn uncompiled(outcomes: Vec<Outcome>) -> Vec<Finished> {
    let has_failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
    let any = outcomes.iter().any(has_failed);
    let outcomes = outcomes.into_iter();
    outcomes
        .map(|outcome| Finished {
            lacks_something: has_failed(&outcome) || !any,
            outcome,
        })
        .collect()
}

fn link(
    guest: &Guest<'_>,
    library: &Path,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<Finished>, Error> {
    let linked = program::link(guest, library, folder, environment)?;
    let carrier = carrier(guest);
    let mut reported = BTreeSet::new();
    let linked = guest.virtines.iter().zip(linked);
    Ok(linked
        .map(|(virtine, linked)| Finished {
            lacks_something: matches!(linked, Linked::Incomplete(_)),
            outcome: match linked {
                Linked::Complete => Outcome::Built {
                    carries: Some(virtine.item) == carrier,
                    std: guest.of.root.library == Library::Std,
                },
                Linked::Unfit(reason) => Outcome::Failed(reason),
                Linked::Incomplete(missing) => {
                    failure::incomplete(guest, virtine, &missing, &mut reported)
                }
                Linked::Blocked => Outcome::Blocked,
            },
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
