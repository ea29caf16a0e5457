//! Removes code that does not compile from a guest, as long as the compiler reports errors.
//!
//! The slice follows names, so it contains code that is never called. If such code needs something that
//! guests do not have, the build must not fail. So the part of an item with the error is removed: a stub
//! replaces a function's body, nothing replaces any other part. This may cause the next error, and its part
//! is removed in turn. Each stub has a symbol. The linker keeps only what is really called. If it keeps a
//! stub in a function's program, the function needs what does not compile, and the first error is reported
//! for it.

use std::collections::BTreeMap;

use crate::compile::messages::{Diagnostic, Location};
use crate::emit::edits::{Insertion, Insertions};
use crate::emit::removals::{Removals, RemovedPart};
use crate::index::parts::{Part, PartKind};
use crate::index::table::Index;
use crate::slice::Slice;
use crate::source::files::Sources;

/// What was removed from one guest, and why.
#[derive(Default)]
pub(crate) struct Pruned {
    pub(crate) removals: Removals,
    /// Virtines whose shim does not compile: the item, and the number of the error.
    shims: BTreeMap<usize, usize>,
    /// The errors for which something was removed.
    errors: Vec<Cause>,
}

/// One error, and the number of the earlier error whose removal caused it.
struct Cause {
    diagnostic: Diagnostic,
    because: Option<usize>,
}

/// The guest as the compiler saw it.
pub(crate) struct GuestView<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) index: &'a Index,
    pub(crate) slice: &'a Slice,
    pub(crate) insertions: &'a Insertions,
}

impl Pruned {
    /// Removes the parts with these errors. Returns whether this changed anything.
    pub(crate) fn prune(&mut self, errors: &[Diagnostic], guest: &GuestView<'_>) -> bool {
        let removed_before = self.removals.parts.len();
        let mut changed = false;
        for error in errors {
            changed |= self.remove(error, guest, removed_before);
        }
        changed
    }

    /// Removes the part with an error, if one is found. Returns whether the next round sees less than this one.
    fn remove(
        &mut self,
        diagnostic: &Diagnostic,
        guest: &GuestView<'_>,
        removed_before: usize,
    ) -> bool {
        let seen = &self.removals.parts[..removed_before];
        let mut locations = diagnostic.locations.iter();
        let Some(found) = locations.find_map(|location| guest.find(location, seen)) else {
            return false;
        };
        let error = self.errors.len();
        // Before the removal: the removed part may define the name that is missing, and no error may be its
        // own cause.
        let because = self.cause_of(diagnostic, guest.index);
        let removed = match found {
            Found::Part { item, part, .. } if is_removed(&self.removals.parts, item, &part) => {
                return true;
            }
            Found::Part { item, file, part } => {
                self.removals.parts.push(RemovedPart {
                    item,
                    file,
                    part,
                    error,
                });
                true
            }
            Found::Shim(item) => self.remove_shim(item, error),
            Found::Imports(imports) => self.remove_imports(imports, error),
        };
        if removed {
            self.errors.push(Cause {
                diagnostic: diagnostic.clone(),
                because,
            });
        }
        removed
    }

    fn remove_shim(&mut self, item: usize, error: usize) -> bool {
        let before = self.shims.len();
        self.shims.entry(item).or_insert(error);
        self.shims.len() > before
    }

    fn remove_imports(&mut self, imports: Vec<usize>, error: usize) -> bool {
        let removed = &mut self.removals.imports;
        let before = removed.len();
        for import in imports {
            removed.entry(import).or_insert(error);
        }
        removed.len() > before
    }

    /// The error whose removal caused this one: it removed something whose name this one misses.
    fn cause_of(&self, diagnostic: &Diagnostic, index: &Index) -> Option<usize> {
        let mut names = diagnostic.message.split('`').skip(1).step_by(2);
        names.find_map(|path| {
            let name = last_name(path);
            // A macro call has the names of all items that it may define.
            let defined = |removed: &RemovedPart| {
                let mut names = index.items[removed.item].names.iter();
                removed.part.kind == PartKind::Whole && names.any(|one| one == name)
            };
            let mut parts = self.removals.parts.iter();
            let part = parts
                .find(|removed| last_name(&removed.part.name) == name || defined(removed))
                .map(|removed| removed.error);
            let mut imports = self.removals.imports.iter();
            let import = imports
                .find(|&(&import, _)| index.imports[import].name.as_deref() == Some(name))
                .map(|(_, &error)| error);
            part.or(import)
        })
    }

    /// If an item was removed as a whole: the number of the error.
    pub(crate) fn error_of_removal(&self, item: usize, index: &Index) -> Option<usize> {
        let whole = &index.items[item].range.bytes;
        let mut parts = self.removals.parts.iter();
        parts
            .find(|removed| {
                removed.item == item
                    && removed.part.kind == PartKind::Whole
                    && removed.part.bytes == *whole
            })
            .map(|removed| removed.error)
            .or_else(|| self.shims.get(&item).copied())
    }

    /// Whether an error is about a missing name that is not in `std`. Errors for which `is_known` holds do
    /// not count.
    pub(crate) fn misses_something(&self, is_known: impl Fn(&Diagnostic) -> bool) -> bool {
        const SIGNS: [&str; 5] = [
            "cannot find",
            "unresolved",
            "not found",
            "no method",
            "no function",
        ];
        self.errors.iter().any(|cause| {
            let message = &cause.diagnostic.message;
            cause.because.is_none()
                && !message.contains("`std`")
                && !is_known(&cause.diagnostic)
                && SIGNS.iter().any(|sign| message.contains(sign))
        })
    }

    /// The first error in the chain of causes of an error.
    pub(crate) fn root(&self, mut error: usize) -> usize {
        while let Some(because) = self.errors[error].because {
            error = because;
        }
        error
    }

    pub(crate) fn diagnostic(&self, error: usize) -> &Diagnostic {
        &self.errors[error].diagnostic
    }
}

/// The last name of a path.
fn last_name(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

fn is_removed(parts: &[RemovedPart], item: usize, part: &Part) -> bool {
    let mut parts = parts.iter();
    parts.any(|removed| removed.item == item && removed.part == *part)
}

/// The part of a guest that contains an error.
enum Found {
    /// The shim of a virtine, by item.
    Shim(usize),
    /// Imports, by number.
    Imports(Vec<usize>),
    /// A part of an item.
    Part {
        item: usize,
        file: usize,
        part: Part,
    },
}

impl GuestView<'_> {
    /// Finds the part at this location. The compiler saw the guest without the `removed` parts.
    fn find(&self, location: &Location, removed: &[RemovedPart]) -> Option<Found> {
        let place = locate(location, self)?;
        if let Some(item) = place.shim {
            return Some(Found::Shim(item));
        }
        let Place { file, offset, .. } = place;
        let mut uses = self.index.uses.iter();
        let in_use = uses.find(|one| one.range.file == file && one.range.bytes.contains(&offset));
        match in_use {
            Some(one) => Some(Found::Imports(one.imports_at(offset).collect())),
            None => self.smallest_part(file, offset, removed),
        }
    }

    fn smallest_part(&self, file: usize, offset: usize, removed: &[RemovedPart]) -> Option<Found> {
        let GuestView { index, slice, .. } = self;
        let here = slice.items.iter().filter(|&&item| {
            let range = &index.items[item].range;
            range.file == file && range.bytes.contains(&offset)
        });
        let parts =
            here.flat_map(|&item| index.items[item].parts.iter().map(move |one| (item, one)));
        let present = parts.filter(|(item, part)| {
            part.bytes.contains(&offset) && !is_removed(removed, *item, part)
        });
        let (item, part) = present.min_by_key(|(_, part)| part.bytes.len())?;
        Some(Found::Part {
            item,
            file,
            part: part.clone(),
        })
    }
}

/// A place in the user's sources.
struct Place {
    file: usize,
    offset: usize,
    /// The virtine, by item, if the place is in its shim, which was inserted at `offset`.
    shim: Option<usize>,
}

/// The place in the user's sources of a location in the guest's. Lines are the same, and so are columns,
/// except after insertions.
fn locate(location: &Location, guest: &GuestView<'_>) -> Option<Place> {
    let mut files = guest.sources.files.iter();
    let file = files.position(|file| file.path == location.file)?;
    let text = &guest.sources.files[file].text;
    let start = line_start(text, location.line)?;
    let mut column = location.column.checked_sub(1)?;
    for Insertion {
        at,
        text: inserted,
        shim,
        ..
    } in guest.insertions.on_line(file, text, start)
    {
        let before = text[start..*at].chars().count();
        let length = inserted.chars().count();
        if column < before {
            break;
        }
        if column < before + length {
            return Some(Place {
                file,
                offset: *at,
                shim: *shim,
            });
        }
        column -= length;
    }
    let line = &text[start..];
    let offset = line.char_indices().nth(column);
    let offset = start + offset.map_or(line.len(), |(at, _)| at);
    Some(Place {
        file,
        offset,
        shim: None,
    })
}

fn line_start(text: &str, line: usize) -> Option<usize> {
    match line {
        1 => Some(0),
        _ => text
            .match_indices('\n')
            .nth(line.checked_sub(2)?)
            .map(|(at, _)| at + 1),
    }
}
