//! Functions that a virtine's attribute names as the host's: in guests, their bodies give way to a call
//! out, so that of them only the signature is sliced.
//!
//! All guests of a target are one crate, so a function that one virtine calls on its host is called there
//! by all; one that does not name it is refused at run time.

use quote::ToTokens as _;
use syn::{FnArg, ItemFn, Pat};

use crate::index::{Index, Kind};
use crate::mentions;
use crate::slice;
use crate::syntax::{self, FunctionPath, Settings};

/// Marks them in the index. `runtime` is what the guest calls virtine-rt.
pub(crate) fn mark(index: &mut Index, runtime: &str) {
    for (item, path) in named(index) {
        let Some(name) = path.name() else { continue };
        for function in slice::functions_named(index, item, &path) {
            let item = &mut index.items[function];
            let Kind::Function(syntax) = &item.kind else {
                continue;
            };
            let signature = syntax.sig.to_token_stream();
            item.stub.get_or_insert(stub(&name, syntax, runtime));
            item.mentions = mentions::of(signature.clone());
            item.members = mentions::members(signature);
        }
    }
}

/// What the attributes name, with the item of the virtine.
fn named(index: &Index) -> Vec<(usize, FunctionPath)> {
    let settings = index.virtines().filter_map(|(item, _, attribute)| {
        // The macro tells what is wrong with others.
        let settings = Settings::parse(syntax::arguments(attribute).ok()?).ok()?;
        Some((item, settings.host))
    });
    settings
        .flat_map(|(item, paths)| paths.into_iter().map(move |path| (item, path)))
        .collect()
}

/// Without line breaks, so that no other line moves.
fn stub(name: &str, function: &ItemFn, runtime: &str) -> String {
    let parameters = function.sig.inputs.iter().map(|input| match input {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(named) => Some(named.ident.to_string()),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    match parameters.collect::<Option<Vec<String>>>() {
        Some(names) => format!(
            "{{ {runtime}::__virtine_host! {{ {name:?} {} }} }}",
            names.join(" ")
        ),
        None => "{ ::core::compile_error!(\"a host function's parameters must be plain names\") }"
            .to_owned(),
    }
}
