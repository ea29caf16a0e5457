//! The error message for a function that cannot be a virtine: the compiler's message, and how the function reaches the
//! code with the error. Each error is reported for only one function.

use std::collections::BTreeSet;

use crate::base::error::Error;
use crate::compile::messages::{Compiled, Diagnostic, Location};
use crate::emit::removals::RemovedPart;
use crate::explain::alternatives;
use crate::index::item::Kind;
use crate::model::{Crate, Guest, Missing, Virtine};
use crate::report::Outcome;
use crate::slice::Slice;

/// The outcome for a virtine that needs what was removed. `reported` holds the errors that were reported
/// for other functions.
pub(crate) fn incomplete(
    guest: &Guest<'_>,
    virtine: &Virtine<'_>,
    missing: &Missing,
    reported: &mut BTreeSet<usize>,
) -> Outcome {
    let errors: Vec<(usize, Option<&RemovedPart>)> = match missing {
        Missing::Itself(error) => vec![(*error, None)],
        Missing::Parts(parts) => {
            let parts = parts.iter().map(|&part| &guest.pruned.removals.parts[part]);
            parts.map(|part| (part.error, Some(part))).collect()
        }
    };
    let mut text = String::new();
    for (error, part) in errors {
        let root = guest.pruned.root(error);
        if reported.insert(root) {
            let diagnostic = guest.pruned.diagnostic(root);
            text += &message(guest, virtine, diagnostic, part);
        }
    }
    failed(text)
}

/// Without a message the function is only blocked by the errors of others.
fn failed(message: String) -> Outcome {
    match message.is_empty() {
        true => Outcome::Blocked,
        false => Outcome::Failed(message),
    }
}

/// The message for one error. `part` was removed because of it.
fn message(
    guest: &Guest<'_>,
    virtine: &Virtine<'_>,
    diagnostic: &Diagnostic,
    part: Option<&RemovedPart>,
) -> String {
    let left_out = guest.left_out.reason(diagnostic);
    let offender = match left_out {
        Some(_) => None,
        None => offender(guest.of, diagnostic),
    };
    let mut text = left_out
        .unwrap_or(&diagnostic.rendered)
        .trim_end()
        .to_owned();
    text += "\n";
    if let Some(part) = part {
        let path = path(guest.of, virtine, part, offender.as_deref());
        text += &format!("  = reached by: {path}\n");
    }
    if let Some(alternative) = offender.as_deref().and_then(alternatives::alternative) {
        text += &format!("  = help: {alternative}\n");
    }
    text + "\n"
}

/// `load -> helper -> std::fs::read_dir`: the functions on the way to a removed part, and the path at the
/// error.
fn path(
    one: &Crate<'_>,
    virtine: &Virtine<'_>,
    part: &RemovedPart,
    offender: Option<&str>,
) -> String {
    let way = virtine.slice.path_to(part.item);
    let before = way.iter().filter(|&&step| step != part.item);
    let functions = before.filter(|&&step| matches!(one.index.items[step].kind, Kind::Function(_)));
    let names = functions.flat_map(|&step| one.index.items[step].names.iter().map(String::as_str));
    let names = names.chain([part.part.name.as_str()]).chain(offender);
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(" -> ")
}

/// The path in the source at the location of an error.
fn offender(one: &Crate<'_>, diagnostic: &Diagnostic) -> Option<String> {
    let Location { file, line, column } = diagnostic.locations.first()?;
    let mut files = one.sources.files.iter();
    let source = files.find(|source| source.path == *file)?;
    let text = source.text.lines().nth(line.checked_sub(1)?)?;
    let text: Vec<char> = text.chars().collect();
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

/// The outcomes for the virtines of a guest with an error that no removal fixes.
pub(crate) fn uncompiled(guest: &Guest<'_>, compiled: &Compiled) -> Result<Vec<Outcome>, Error> {
    let name = guest.of.root.guest_name();
    let errors = compiled.errors.get(&name);
    if compiled.errors.is_empty() && !guest.virtines.is_empty() {
        let broken = compiled.broken.values().next();
        let reason = broken.map_or("neither a library nor an error", String::as_str);
        return Err(Error::Output {
            command: "cargo build",
            reason: format!("{name}: {reason}"),
        });
    }
    let messages = assign(guest, errors.map_or(&[], Vec::as_slice));
    Ok(messages.into_iter().map(failed).collect())
}

/// The messages for each function. Each error goes to the first function whose slice contains its line, or
/// else to the first function.
fn assign(guest: &Guest<'_>, errors: &[Diagnostic]) -> Vec<String> {
    let mut messages = vec![String::new(); guest.virtines.len()];
    for error in errors {
        let concerns = |virtine: &Virtine<'_>| {
            let mut locations = error.locations.iter();
            locations.any(|location| contains(guest.of, &virtine.slice, location))
        };
        let number = guest.virtines.iter().position(concerns).unwrap_or(0);
        if let Some(text) = messages.get_mut(number) {
            text.push_str(&error.rendered);
        }
    }
    messages
}

fn contains(one: &Crate<'_>, slice: &Slice, location: &Location) -> bool {
    slice.items.iter().any(|&item| {
        let range = &one.index.items[item].range;
        let file = &one.sources.files[range.file];
        let line_of = |at: usize| 1 + file.text[..at].matches('\n').count();
        let lines = line_of(range.bytes.start)..=line_of(range.bytes.end);
        file.path == location.file && lines.contains(&location.line)
    })
}
