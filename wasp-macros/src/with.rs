//! `f::with(policy)` and `f::cancelled_by(token)`: the function's calls otherwise than the attribute says.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, ItemFn};

/// What the emitted items are called.
pub(crate) struct Names<'a> {
    /// The function that makes the value of a policy.
    pub(crate) with: &'a Ident,
    /// The function that makes it of a token.
    pub(crate) cancelled_by: &'a Ident,
    /// The function that calls so that a failure is an error.
    pub(crate) try_call: &'a Ident,
    /// The type of that value.
    pub(crate) calls: &'a Ident,
    /// The function that calls, given the options and the arguments.
    pub(crate) run: &'a Ident,
    /// The function's handle.
    pub(crate) handle: &'a Ident,
}

/// ```text
/// struct __virtine_calls_square { policy: Option<Policy>, cancel: Option<CancelToken> }
/// impl { fn try_call(&self, x: i32) -> Result<..>;  fn call(&self, x: i32) -> i32;  .. }
/// fn __virtine_with_square(policy: Policy) -> __virtine_calls_square
/// fn __virtine_cancelled_by_square(token: &CancelToken) -> __virtine_calls_square
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
        cancelled_by,
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
    let about_cancel = format!("Calls of [`{name}()`] that `token` can end.");
    let options = quote! {
        #host::expansion::Options { policy: self.policy.as_ref(), cancel: self.cancel.as_ref() }
    };
    let cfgs = function
        .attrs
        .iter()
        .filter(|one| one.path().is_ident("cfg"));
    let cfgs: TokenStream = cfgs.map(|one| quote!(#one)).collect();
    quote! {
        #cfgs
        #[doc = "Calls of a virtine otherwise than its attribute says."]
        #[allow(non_camel_case_types, dead_code)]
        #[derive(Default)]
        #vis struct #calls {
            policy: ::core::option::Option<#host::Policy>,
            cancel: ::core::option::Option<#host::CancelToken>,
        }

        #cfgs
        #[allow(dead_code, clippy::all)]
        impl #calls {
            #[doc = "Has its guests ask the host for what `policy` grants, in place of what the \
                     attribute does."]
            #[must_use]
            #vis fn with(mut self, policy: impl ::core::convert::Into<#host::Policy>) -> Self {
                self.policy = ::core::option::Option::Some(policy.into());
                self
            }

            #[doc = "Has `token` end it."]
            #[must_use]
            #vis fn cancelled_by(mut self, token: &#host::CancelToken) -> Self {
                self.cancel = ::core::option::Option::Some(::core::clone::Clone::clone(token));
                self
            }

            #[doc = "Calls it so that a failure is an error.\n\n# Errors\n\nWhatever kept it from \
                     returning: see `wasp_core::Error`."]
            #vis fn try_call #generics(&self, #parameters)
                -> ::core::result::Result<#result, #host::Error>
            #where_clause
            {
                #run(#options, #arguments)
            }

            #[doc = "Calls it.\n\n# Panics\n\nWith the cause, where it fails."]
            #[track_caller]
            #vis fn call #generics(&self, #parameters) -> #result #where_clause {
                match #run(#options, #arguments) {
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
            <#calls as ::core::default::Default>::default().with(policy)
        }

        #cfgs
        #[doc = #about_cancel]
        #[allow(dead_code)]
        #[must_use]
        #vis fn #cancelled_by(token: &#host::CancelToken) -> #calls {
            <#calls as ::core::default::Default>::default().cancelled_by(token)
        }
    }
}
