//! The host's part of a `#[virtine]` function.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, Ident, ItemFn};
use virtine_build::report::Standing;
use virtine_build::syntax::{Function, Settings};

use crate::calls::calls;
use crate::definition::definition;
use crate::lookup::{self, Guest};
use crate::public::public;
use crate::run::run;
use crate::signature::{Signature, is_one_of};

/// Expands the attribute. If there are errors, expands to all of them and the function as the user wrote it,
/// so that nothing else fails because the function is missing.
pub(crate) fn virtine(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let expansion = match syn::parse2(item.clone()) {
        Ok(function) => checked(arguments, &function),
        Err(_) => {
            let message = "#[virtine] can only be applied to functions";
            Err(syn::Error::new(Span::call_site(), message))
        }
    };
    expansion.unwrap_or_else(|error| {
        let errors = error.to_compile_error();
        quote! { #errors #item }
    })
}

fn checked(arguments: TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    let (settings, checked) = match (Settings::parse(arguments), Function::check(function)) {
        (Ok(settings), Ok(checked)) => (settings, checked),
        (Err(mut one), Err(other)) => {
            one.combine(other);
            return Err(one);
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    let host = lookup::host();
    let guest = lookup::guest(&function.sig.ident, &host)?;
    let signature = Signature::new(function, &checked, &host);
    Ok(expand(&signature, &settings, &guest))
}

/// ```text
/// fn square(x: i32) -> i32                      the user's signature; panics if the call fails
/// static __virtine_square: Function             the handle: image and settings
/// fn __virtine_run_square(options, x: i32) ..   encodes, calls, decodes: see `run`
/// fn __virtine_try_square(x: i32) -> Result<..> the call under the attribute's policy
/// fn __virtine_with_square(policy) -> With..    the same calls under another one: see `calls`
/// mod square { use .. as try_call, with, .. }   the public names of these, for documentation too
/// ```
fn expand(signature: &Signature<'_>, settings: &Settings, guest: &Guest) -> TokenStream {
    let (host, handle) = (signature.host, &signature.names.handle);
    let cfgs: Vec<&Attribute> = signature.attributes(&["cfg"]);
    let stub = stub(signature);
    let init = settings.init.as_ref().map(|path| init(&path.0, &cfgs));
    let definition = definition(signature, settings, guest);
    let run = run(signature);
    // In a body, the method of the type is the only one.
    let try_call = (guest.standing != Standing::Body).then(|| {
        let try_call = try_call(signature);
        quote!(#(#cfgs)* #try_call)
    });
    let calls = calls(signature, guest.standing);
    let public = public(signature, guest.standing);
    let carrier = &guest.carrier;
    quote! {
        #stub
        #carrier
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        static #handle: #host::expansion::Function = #definition;
        #init
        #(#cfgs)*
        #run
        #try_call
        #calls
        #(#cfgs)*
        #public
    }
}

/// The compiler checks the initialization function on the host too, although it is not called there.
fn init(path: &syn::Path, cfgs: &[&Attribute]) -> TokenStream {
    quote_spanned! { path.span() => #(#cfgs)* const _: fn() = #path; }
}

/// The function that callers see. The user's body stays inside it, unused, so that compiler, editor and lints see the
/// code as it was written. Lints are off for the generated code, which would otherwise report everything twice.
fn stub(signature: &Signature<'_>) -> TokenStream {
    let (parameters, arguments) = (&signature.parameters, &signature.arguments);
    let (handle, run) = (&signature.names.handle, &signature.names.run);
    let safety = &signature.safety;
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
        ..
    } = signature.function;
    let (name, output, generics) = (&sig.ident, &sig.output, &sig.generics);
    let where_clause = &sig.generics.where_clause;
    let lints = signature.attributes(&["allow", "expect", "warn", "deny", "forbid"]);
    // An expectation can be fulfilled only once, by the body.
    let strict = ["expect", "warn", "deny", "forbid"];
    let own = attrs.iter().filter(|one| !is_one_of(one, &strict));
    let mut native = sig.clone();
    native.ident = Ident::new("__virtine_native", name.span());
    quote! {
        #(#own)*
        #[allow(dead_code, clippy::all)]
        #[track_caller]
        #vis #safety fn #name #generics(#parameters) #output #where_clause {
            #(#lints)*
            #[allow(dead_code)]
            #native #block
            match #run(::core::default::Default::default(), #arguments) {
                ::core::result::Result::Ok(result) => result,
                ::core::result::Result::Err(error) => #handle.fail(&error),
            }
        }
    }
}

/// The function that calls and returns failures as errors.
fn try_call(signature: &Signature<'_>) -> TokenStream {
    let (function, parameters) = (signature.function, &signature.parameters);
    let (arguments, result) = (&signature.arguments, &signature.result);
    let host = signature.host;
    let (try_call, run) = (&signature.names.try_call, &signature.names.run);
    let (vis, generics) = (&function.vis, &function.sig.generics);
    let (where_clause, safety) = (&generics.where_clause, &signature.safety);
    let unlinted = &signature.unlinted;
    let about = format!(
        "Calls `{}` in a virtual machine of its own.\n\n# Errors\n\nIf the call fails: see \
         `wasp_core::Error`.{}",
        function.sig.ident,
        signature.about_safety(),
    );
    quote! {
        #[doc = #about]
        #[doc(hidden)]
        #unlinted
        #vis #safety fn #try_call #generics(#parameters)
            -> ::core::result::Result<#result, #host::Error>
        #where_clause
        {
            #run(::core::default::Default::default(), #arguments)
        }
    }
}
