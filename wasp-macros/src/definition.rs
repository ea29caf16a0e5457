//! The definition of a function for the host: its image and its settings.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use virtine_build::syntax::{Settings, Sizes};

use crate::lookup::Guest;
use crate::signature::Signature;

/// The value of the function's handle.
pub(crate) fn definition(
    signature: &Signature<'_>,
    settings: &Settings,
    guest: &Guest,
) -> TokenStream {
    let host = signature.host;
    let name = &signature.function.sig.ident;
    let name = settings.name.clone().unwrap_or_else(|| name.to_string());
    let Guest {
        image,
        entries,
        program,
        std,
        ..
    } = guest;
    let Sizes { memory, stack } = settings.sizes();
    let (seconds, nanoseconds) = (settings.timeout.as_secs(), settings.timeout.subsec_nanos());
    let (snapshot, keep) = (settings.snapshot, settings.keep);
    let depth = settings.depth();
    let policy = policy(settings, host);
    let backend = backend(settings, host);
    quote! {
        #host::expansion::Function::new(#host::expansion::Definition {
            name: #name,
            image: #image,
            entries: #entries,
            program: #program,
            memory: #memory,
            stack: #stack,
            keep: #keep,
            timeout: ::core::time::Duration::new(#seconds, #nanoseconds),
            snapshot: #snapshot,
            depth: #depth,
            std: #std,
            backend: #backend,
            policy: || #policy,
        })
    }
}

/// The backend in the attribute.
fn backend(settings: &Settings, host: &TokenStream) -> TokenStream {
    match settings.backend {
        Some(backend) => {
            let variant = Ident::new(backend, Span::call_site());
            quote!(::core::option::Option::Some(#host::Backend::#variant))
        }
        None => quote!(::core::option::Option::None),
    }
}

/// The policy in the attribute.
fn policy(settings: &Settings, host: &TokenStream) -> TokenStream {
    let grants = settings.allow.iter().flat_map(|grant| {
        let method = Ident::new(grant.method, Span::call_site());
        let arguments = &grant.arguments;
        match grant.method {
            "env" => vec![quote!(.env([#(#arguments),*]))],
            _ if arguments.is_empty() => vec![quote!(.#method())],
            _ => arguments.iter().map(|one| quote!(.#method(#one))).collect(),
        }
    });
    let limits = settings.limits.iter().map(|limit| {
        let quota = Ident::new(limit.quota, Span::call_site());
        let most = limit.most;
        quote!(.limit(#host::Quota::#quota, #most))
    });
    let functions = settings.host.iter().map(|path| {
        let (name, function) = (path.name().unwrap_or_default(), &path.0);
        // If its signature lacks something, the compiler reports it at the function's name.
        quote_spanned!(function.span() => .host(#name, #function))
    });
    let depth = settings.depth.map(|levels| quote!(.depth(#levels)));
    let strict = settings.strict.then(|| quote!(.strict()));
    quote!(#host::Policy::new() #(#grants)* #(#limits)* #(#functions)* #depth #strict)
}
