//! Takes out of a guest what does not compile there, for as long as the compiler complains.
//!
//! The slice follows names, so it keeps code that is never called. Where such code needs something
//! that guests have not, the build must not fail for it. So what an error stands in goes: a
//! function's body makes way for a stub, any other part for nothing, which may cause the next error
//! and take the next part with it. A stub leaves a mark, a symbol of its own. Where the linker, which
//! keeps what is really called, keeps the mark in a function's program, that function does need what
//! does not compile, and is told the error that started it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::compile::{Diagnostic, Spot};
use crate::index::{Index, Place};
use crate::mask::{Addition, Additions};
use crate::parts::{Part, PartKind};
use crate::slice::Slice;
use crate::source::Sources;

/// What a stub's symbol starts with; its number among the parts follows.
pub(crate) const MARK: &str = "__virtine_absent_";

/// What was taken out of one guest, and why.
#[derive(Default)]
pub(crate) struct Pruned {
    pub(crate) parts: Vec<Taken>,
    /// Imports, by number, with the error that each was taken out for.
    pub(crate) imports: BTreeMap<usize, usize>,
    /// Virtines whose shim does not compile, by item, with the error.
    pub(crate) shims: BTreeMap<usize, usize>,
    /// The errors, each with the one that caused it, where that is known.
    pub(crate) errors: Vec<Cause>,
    /// How many of the parts were out when the compiler found the errors that are being taken: what
    /// is behind one of these was cause enough already.
    settled: usize,
}

/// A part that was taken out.
pub(crate) struct Taken {
    /// The item that it belongs to.
    pub(crate) item: usize,
    pub(crate) file: usize,
    pub(crate) part: Part,
    /// The number of the error.
    pub(crate) error: usize,
}

/// One error, and what else was taken out before that it came of.
pub(crate) struct Cause {
    pub(crate) diagnostic: Diagnostic,
    pub(crate) because: Option<usize>,
}

impl Pruned {
    /// The symbol of the stub at the place of a part.
    pub(crate) fn mark(number: usize) -> String {
        format!("{MARK}{number}")
    }

    /// The errors that follow are of one run of the compiler.
    pub(crate) fn begin_round(&mut self) {
        self.settled = self.parts.len();
    }

    /// Takes out what an error stands in; returns whether there was anything to take.
    pub(crate) fn take(
        &mut self,
        diagnostic: &Diagnostic,
        sources: &Sources,
        index: &Index,
        slice: &Slice,
        additions: &Additions,
    ) -> bool {
        let found = diagnostic
            .spots
            .iter()
            .find_map(|spot| self.find(spot, sources, index, slice, additions));
        let Some(found) = found else { return false };
        let error = self.errors.len();
        // Before the part is out, which may have the name that is missed: no error is its own cause, and the
        // way to the root ends.
        let because = self.cause_of(diagnostic, index);
        match found {
            Found::Part { item, number } if self.is_out(item, &index.items[item].parts[number]) => {
                return true;
            }
            Found::Shim(item) if self.shims.contains_key(&item) => return false,
            Found::Shim(item) => _ = self.shims.insert(item, error),
            Found::Imports(imports) => {
                let left = imports
                    .into_iter()
                    .filter(|one| !self.imports.contains_key(one));
                let left: Vec<usize> = left.collect();
                if left.is_empty() {
                    return false;
                }
                self.imports
                    .extend(left.into_iter().map(|import| (import, error)));
            }
            Found::Part { item, number } => {
                let Place { file, .. } = index.items[item].place;
                let part = index.items[item].parts[number].clone();
                self.parts.push(Taken {
                    item,
                    file,
                    part,
                    error,
                });
            }
        }
        self.errors.push(Cause {
            diagnostic: diagnostic.clone(),
            because,
        });
        true
    }

    /// The error behind an error: that for which something went that this one now misses by name.
    fn cause_of(&self, diagnostic: &Diagnostic, index: &Index) -> Option<usize> {
        let mut names = diagnostic.message.split('`').skip(1).step_by(2);
        names.find_map(|name| {
            let last = |path: &str| path.rsplit("::").next().map(str::to_owned);
            let name = last(name)?;
            // A macro's call has the names of all that it may have made.
            let made = |taken: &Taken| {
                taken.part.kind == PartKind::Whole && index.items[taken.item].names.contains(&name)
            };
            let part = self
                .parts
                .iter()
                .find(|taken| last(&taken.part.name).as_ref() == Some(&name) || made(taken));
            let import = self
                .imports
                .iter()
                .find(|&(&import, _)| index.imports[import].name.as_ref() == Some(&name));
            part.map(|taken| taken.error)
                .or(import.map(|(_, &error)| error))
        })
    }

    fn find(
        &self,
        spot: &Spot,
        sources: &Sources,
        index: &Index,
        slice: &Slice,
        additions: &Additions,
    ) -> Option<Found> {
        let (file, offset) = match locate(spot, sources, additions)? {
            Located::Source { file, offset } => (file, offset),
            Located::Addition { file, offset, shim } => match shim {
                Some(item) => return Some(Found::Shim(item)),
                None => (file, offset),
            },
        };
        let in_use = index
            .uses
            .iter()
            .find(|one| one.place.file == file && one.place.bytes.contains(&offset));
        if let Some(one) = in_use {
            return Some(Found::Imports(one.imports_at(offset).collect()));
        }
        self.smallest_part(file, offset, index, slice)
    }

    fn smallest_part(
        &self,
        file: usize,
        offset: usize,
        index: &Index,
        slice: &Slice,
    ) -> Option<Found> {
        let here = slice.items.iter().filter(|&&item| {
            let place = &index.items[item].place;
            place.file == file && place.bytes.contains(&offset)
        });
        let parts = here.flat_map(|&item| {
            let parts = index.items[item].parts.iter().enumerate();
            parts.map(move |(number, part)| (item, number, part))
        });
        let left = parts
            .filter(|(item, _, part)| part.bytes.contains(&offset) && !self.was_out(*item, part));
        let (item, number, _) = left.min_by_key(|(_, _, part)| part.bytes.len())?;
        Some(Found::Part { item, number })
    }

    /// Whether the compiler saw the guest without this part.
    fn was_out(&self, item: usize, part: &Part) -> bool {
        holds(&self.parts[..self.settled], item, part)
    }

    fn is_out(&self, item: usize, part: &Part) -> bool {
        holds(&self.parts, item, part)
    }

    /// Whether an item is gone as a whole.
    pub(crate) fn is_gone(&self, item: usize, index: &Index) -> Option<usize> {
        let whole = &index.items[item].place.bytes;
        let mut taken = self.parts.iter();
        taken
            .find(|taken| {
                taken.item == item
                    && taken.part.kind == PartKind::Whole
                    && taken.part.bytes == *whole
            })
            .map(|taken| taken.error)
            .or_else(|| self.shims.get(&item).copied())
    }

    /// Whether an error tells of a name that is not there, and not of one that only `std` has.
    /// Errors for which `is_known` holds do not count.
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

    /// The error that all began with.
    pub(crate) fn root(&self, mut error: usize) -> usize {
        while let Some(because) = self.errors[error].because {
            error = because;
        }
        error
    }
}

fn holds(parts: &[Taken], item: usize, part: &Part) -> bool {
    let mut parts = parts.iter();
    parts.any(|taken| taken.item == item && taken.part == *part)
}

enum Found {
    /// The shim of a virtine, by item.
    Shim(usize),
    Imports(Vec<usize>),
    Part {
        item: usize,
        number: usize,
    },
}

/// Where in the user's sources a place in the guest's is.
enum Located {
    Source {
        file: usize,
        offset: usize,
    },
    /// In text that was put in, behind `offset`.
    Addition {
        file: usize,
        offset: usize,
        shim: Option<usize>,
    },
}

/// Lines are the same in both, and so are columns but behind what was put in.
fn locate(spot: &Spot, sources: &Sources, additions: &Additions) -> Option<Located> {
    let file = sources
        .files
        .iter()
        .position(|file| same(&file.path, &spot.file))?;
    let text = &sources.files[file].text;
    let start = line_start(text, spot.line)?;
    let mut column = spot.column.checked_sub(1)?;
    for Addition {
        at,
        text: put_in,
        shim,
        ..
    } in additions.on_line(file, text, start)
    {
        let before = text[start..*at].chars().count();
        let length = put_in.chars().count();
        if column < before {
            break;
        }
        if column < before + length {
            return Some(Located::Addition {
                file,
                offset: *at,
                shim: *shim,
            });
        }
        column -= length;
    }
    let line = &text[start..];
    let offset = line
        .char_indices()
        .nth(column)
        .map_or(line.len(), |(at, _)| at);
    Some(Located::Source {
        file,
        offset: start + offset,
    })
}

fn same(one: &Path, other: &Path) -> bool {
    one == other
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
