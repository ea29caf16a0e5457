//! Prepares the guest of a crate: checks its virtines and slices what they reach.

use syn::{ItemFn, Meta};

use crate::compile::left_out::LeftOut;
use crate::compile::prune::Pruned;
use crate::model::{Crate, Guest, Virtine};
use crate::report::Outcome;
use crate::slice::Slice;
use crate::syntax::{Function, Library, Settings, arguments};

/// The guest of a crate, before its first compilation.
pub(super) fn guest<'a>(of: &'a Crate<'a>) -> Guest<'a> {
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
            Ok((_, settings)) if settings.library() != library => {}
            Ok((function, settings)) => guest.virtines.push(Virtine {
                item,
                syntax,
                function,
                slice: Slice::of(&of.index, item, settings.init.as_ref()),
                settings,
                symbol: symbol(of, item, syntax),
            }),
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
