//! What a function is told that cannot be a virtine: the compiler's own words, once, and the way there.

use std::collections::BTreeSet;

use crate::absent;
use crate::compile::{Compiled, Diagnostic, Spot};
use crate::emit;
use crate::error::Error;
use crate::guests::{Guest, Virtine};
use crate::index::Kind;
use crate::pipeline::Crate;
use crate::program::Missing;
use crate::report::Outcome;
use crate::slice::Slice;

/// For a virtine that needs what was taken out. `told` holds the errors that others were told of.
pub(crate) fn incomplete(
    guest: &Guest<'_>,
    virtine: &Virtine<'_>,
    missing: &Missing,
    told: &mut BTreeSet<usize>,
) -> Outcome {
    let mut text = String::new();
    let errors = match missing {
        Missing::Itself(error) => vec![(*error, None)],
        Missing::Parts(parts) => {
            let parts = parts.iter().map(|&part| &guest.pruned.parts[part]);
            parts.map(|taken| (taken.error, Some(taken))).collect()
        }
    };
    for (error, taken) in errors {
        let root = guest.pruned.root(error);
        if !told.insert(root) {
            continue;
        }
        let diagnostic = &guest.pruned.errors[root].diagnostic;
        let left_out = guest.left_out.reason(diagnostic);
        text += left_out.unwrap_or(&diagnostic.rendered).trim_end();
        text += "\n";
        let offender = match left_out {
            Some(_) => None,
            None => offender(guest.of, diagnostic),
        };
        if let Some(taken) = taken {
            let path = path(guest.of, virtine, taken.item, &taken.part.name, &offender);
            text += &format!("  = reached by: {path}\n");
        }
        if let Some(alternative) = offender.as_deref().and_then(absent::alternative) {
            text += &format!("  = help: {alternative}\n");
        }
        text += "\n";
    }
    match text.is_empty() {
        true => Outcome::Blocked,
        false => Outcome::Failed(text),
    }
}

/// `load -> helper -> std::fs::read_dir`: the functions in between, and what the error stands at.
fn path(
    one: &Crate<'_>,
    virtine: &Virtine<'_>,
    item: usize,
    name: &str,
    offender: &Option<String>,
) -> String {
    let way = virtine.slice.path_to(item);
    let before = way.iter().filter(|&&step| step != item);
    let functions = before.filter(|&&step| matches!(one.index.items[step].kind, Kind::Function(_)));
    let names = functions.flat_map(|&step| one.index.items[step].names.iter().map(String::as_str));
    let mut names: Vec<&str> = names.collect();
    names.push(name);
    names.extend(offender.as_deref());
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" -> ")
}

/// The path that stands where an error points to.
fn offender(one: &Crate<'_>, diagnostic: &Diagnostic) -> Option<String> {
    let Spot { file, line, column } = diagnostic.spots.first()?;
    let source = one
        .sources
        .files
        .iter()
        .find(|source| source.path == *file)?;
    let text: Vec<char> = source
        .text
        .lines()
        .nth(line.checked_sub(1)?)?
        .chars()
        .collect();
    let is_path = |c: &char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let at = column.checked_sub(1)?;
    text.get(at).filter(|c| is_path(c))?;
    let start = text[..at]
        .iter()
        .rposition(|c| !is_path(c))
        .map_or(0, |before| before + 1);
    let path: String = text[start..].iter().take_while(|c| is_path(c)).collect();
    Some(path.trim_matches(':').to_owned())
}

/// For the virtines of a guest of which the compiler says something that no part can be taken out
/// for.
pub(crate) fn uncompiled(guest: &Guest<'_>, compiled: &Compiled) -> Result<Vec<Outcome>, Error> {
    let name = emit::guest_name(guest.of.root);
    let errors = compiled.errors.get(&name);
    if compiled.errors.is_empty() && !guest.virtines.is_empty() {
        let broken = compiled.broken.values().next();
        let reason = broken.map_or("neither a library nor an error", String::as_str);
        return Err(Error::Output {
            command: "cargo build",
            reason: format!("{name}: {reason}"),
        });
    }
    let blame = blame(guest, errors.map_or(&[], Vec::as_slice));
    Ok(blame
        .into_iter()
        .map(|text| match text.is_empty() {
            true => Outcome::Blocked,
            false => Outcome::Failed(text),
        })
        .collect())
}

/// For each function, the errors that it is told of: each error once, by the first function whose
/// slice holds the line, or by the first of all.
fn blame(guest: &Guest<'_>, errors: &[Diagnostic]) -> Vec<String> {
    let mut blame = vec![String::new(); guest.virtines.len()];
    for error in errors {
        let concerns = |virtine: &Virtine<'_>| {
            let mut spots = error.spots.iter();
            spots.any(|spot| holds(guest.of, &virtine.slice, spot))
        };
        let culprit = guest.virtines.iter().position(concerns).unwrap_or(0);
        if let Some(text) = blame.get_mut(culprit) {
            text.push_str(&error.rendered);
        }
    }
    blame
}

fn holds(one: &Crate<'_>, slice: &Slice, spot: &Spot) -> bool {
    slice.items.iter().any(|&item| {
        let place = &one.index.items[item].place;
        let file = &one.sources.files[place.file];
        let line_of = |at: usize| 1 + file.text[..at].matches('\n').count();
        let lines = line_of(place.bytes.start)..=line_of(place.bytes.end);
        file.path == spot.file && lines.contains(&spot.line)
    })
}
