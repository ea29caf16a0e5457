//! Prepares the guest of a crate: checks its virtines and slices what they reach.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use syn::{ItemFn, Meta};

use crate::compile::left_out::LeftOut;
use crate::compile::prune::Pruned;
use crate::guests::choices::Choices;
use crate::model::{Choice, Crate, Guest, Virtine};
use crate::report::Outcome;
use crate::slice::Slice;
use crate::syntax::{Function, Library, Settings, arguments};

/// The guest of a crate, before its first compilation: with the virtines that have the crate's library.
pub(super) fn guest<'a>(of: &'a Crate<'a>, choices: &Choices) -> Guest<'a> {
    let mut guest = Guest {
        of,
        virtines: Vec::new(),
        rejected: Vec::new(),
        slice: Slice::default(),
        pruned: Pruned::default(),
        left_out: LeftOut::default(),
    };
    let library = of.root.library;
    for (item, syntax, attribute) in of.index.virtines() {
        match check(syntax, attribute) {
            Ok((function, settings)) => {
                let slice = Slice::of(&of.index, item, settings.init.as_ref());
                let symbol = symbol(of, item, syntax);
                let (own, choice) =
                    choices.library(&settings, || choice(of, item, &symbol, &slice));
                if own == library {
                    guest.virtines.push(Virtine {
                        item,
                        syntax,
                        function,
                        settings,
                        slice,
                        symbol,
                        choice,
                    });
                }
            }
            // The macro reports the same errors. The crate for the facade has the entry.
            Err(_) if library == Library::Std => {}
            Err(_) => guest
                .rejected
                .push(of.entry(item, syntax, Outcome::Blocked)),
        }
    }
    for virtine in &guest.virtines {
        guest.slice.extend(&virtine.slice);
    }
    guest
}

/// What the choice of a virtine's library depends on: the names that it reaches, and not the rest of their code. So an
/// edit seldom makes the build choose anew.
fn choice(of: &Crate<'_>, item: usize, symbol: &str, slice: &Slice) -> Choice {
    let names: BTreeSet<&[String]> = slice.mentioned(&of.index).collect();
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    Choice {
        name: of.index.items[item].names.concat(),
        key: format!("{} {symbol}", of.root.twins_folder()),
        fingerprint: hasher.finish(),
    }
}

fn check(function: &ItemFn, attribute: &Meta) -> syn::Result<(Function, Settings)> {
    let settings = Settings::parse(arguments(attribute)?)?;
    Ok((Function::check(function)?, settings))
}

/// The symbol of a shim. It consists of the path and not of a number, so that a new function does not change
/// the symbols of others. Functions in bodies have no path, so the line is added.
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
