//! `f::with(policy)`: the function's calls under a policy of the caller's.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, ItemFn};

/// What the emitted items are called.
pub(crate) struct Names<'a> {
    /// The function that makes the value.
    pub(crate) with: &'a Ident,
    /// The function that calls so that a failure is an error.
    pub(crate) try_call: &'a Ident,
    /// The type of that value.
    pub(crate) calls: &'a Ident,
    /// The function that calls, given a policy and the arguments.
    pub(crate) run: &'a Ident,
    /// The function's handle.
    pub(crate) handle: &'a Ident,
}

/// ```text
/// struct __virtine_calls_square(Policy)
/// impl { fn try_call(&self, x: i32) -> Result<..>;  fn call(&self, x: i32) -> i32 }
/// fn __virtine_with_square(policy: Policy) -> __virtine_calls_square
/// ```
///
/// `parameters` are the function's, `result` its result's type.
pub(crate) fn with(
    function: &ItemFn,
    names: &Names<'_>,
    [parameters, arguments, result]: [&TokenStream; 3],
    host: &TokenStream,
) -> TokenStream {
    let Names {
        with,
        calls,
        run,
        handle,
        ..
    } = names;
    let (name, vis) = (&function.sig.ident, &function.vis);
    let generics = &function.sig.generics;
    let where_clause = &generics.where_clause;
    let about = format!(
        "Calls of [`{name}()`] whose guests may ask the host for what `policy` grants, in place of \
         what the attribute does."
    );
    let cfgs = function
        .attrs
        .iter()
        .filter(|one| one.path().is_ident("cfg"));
    let cfgs: TokenStream = cfgs.map(|one| quote!(#one)).collect();
    quote! {
        #cfgs
        #[doc = "Calls of a virtine under a policy."]
        #[allow(non_camel_case_types, dead_code)]
        #vis struct #calls(#host::Policy);

        #cfgs
        #[allow(dead_code, clippy::all)]
        impl #calls {
            #[doc = "Calls it so that a failure is an error.\n\n# Errors\n\nWhatever kept it from \
                     returning: see `wasp_core::Error`."]
            #vis fn try_call #generics(&self, #parameters)
                -> ::core::result::Result<#result, #host::Error>
            #where_clause
            {
                #run(::core::option::Option::Some(&self.0), #arguments)
            }

            #[doc = "Calls it.\n\n# Panics\n\nWith the cause, where it fails."]
            #[track_caller]
            #vis fn call #generics(&self, #parameters) -> #result #where_clause {
                match #run(::core::option::Option::Some(&self.0), #arguments) {
                    ::core::result::Result::Ok(result) => result,
                    ::core::result::Result::Err(error) => #handle.fail(&error),
                }
            }
        }

        #cfgs
        #[doc = #about]
        #[allow(dead_code)]
        #[must_use]
        #vis fn #with(policy: impl ::core::convert::Into<#host::Policy>) -> #calls {
            #calls(policy.into())
        }
    }
}
