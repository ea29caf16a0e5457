//! Host functions: functions that the attribute of a virtine lists as `host(..)`. In guests their bodies are replaced
//! by a call to the host, so only their signatures are part of the slice.
//!
//! All guests of a target are one crate. So a function that one virtine calls on the host is a host function for all of
//! them. The host rejects calls from a virtine that does not list it.

use quote::ToTokens as _;
use syn::{FnArg, ItemFn, Pat};

use crate::index::item::Kind;
use crate::index::table::Index;
use crate::slice::resolve::resolve_in_attribute;
use crate::source::mentions;
use crate::syntax::{FunctionPath, Settings, arguments};

/// Marks the host functions in the index. `runtime` is the path of virtine-rt in the guest.
pub(crate) fn mark_host_functions(index: &mut Index, runtime: &str) {
    for (item, path) in named(index) {
        let Some(name) = path.name() else { continue };
        for function in resolve_in_attribute(index, item, &path).items() {
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

/// The paths in the attributes, with the items of the virtines.
fn named(index: &Index) -> Vec<(usize, FunctionPath)> {
    let settings = index.virtines().filter_map(|(item, _, attribute)| {
        // The macro reports the mistakes in invalid attributes.
        let settings = Settings::parse(arguments(attribute).ok()?).ok()?;
        Some((item, settings.host))
    });
    settings
        .flat_map(|(item, paths)| paths.into_iter().map(move |path| (item, path)))
        .collect()
}

/// The body that calls the host. It has no line breaks, so that no other line moves.
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
        None => {
            "{ ::core::compile_error!(\"the parameters of a host function must be plain names\") }"
                .to_owned()
        }
    }
}
