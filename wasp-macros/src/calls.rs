//! `f::with(policy)` and `f::cancelled_by(token)`: calls whose options differ from the attribute's.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::Visibility;
use virtine_build::report::Standing;

use crate::signature::Signature;

/// ```text
/// use square::Calls as __virtine_calls_square;  the options; in a body, a type of this name
/// impl { fn try_call(&self, x: i32) -> Result<..>;  fn call(&self, x: i32) -> i32;  .. }
/// fn __virtine_with_square(policy: Policy) -> __virtine_calls_square
/// fn __virtine_cancelled_by_square(token: &CancelToken) -> __virtine_calls_square
/// ```
pub(crate) fn calls(signature: &Signature<'_>, standing: Standing) -> TokenStream {
    let (host, vis) = (signature.host, &signature.function.vis);
    let (calls, with) = (&signature.names.calls, &signature.names.with);
    let cancelled_by = &signature.names.cancelled_by;
    let cfgs = signature.attributes(&["cfg"]);
    let methods = methods(signature);
    let options = match standing {
        Standing::Body => options(signature, calls, vis, &Visibility::Inherited),
        Standing::Module | Standing::ModuleOfNamesake => {
            let module = &signature.function.sig.ident;
            quote!(use self::#module::Calls as #calls;)
        }
    };
    let name = &signature.function.sig.ident;
    let about_with = format!(
        "Calls of [`{name}()`] under `policy`: it grants what guests may ask of the host, instead of the \
         attribute."
    );
    let about_cancelled_by = format!("Calls of [`{name}()`] that `token` can cancel.");
    quote! {
        #(#cfgs)*
        #options

        #(#cfgs)*
        #methods

        #(#cfgs)*
        #[doc = #about_with]
        #[doc(hidden)]
        #[allow(dead_code)]
        #[must_use]
        #vis fn #with(policy: impl ::core::convert::Into<#host::Policy>) -> #calls {
            <#calls as ::core::default::Default>::default().with(policy)
        }

        #(#cfgs)*
        #[doc = #about_cancelled_by]
        #[doc(hidden)]
        #[allow(dead_code)]
        #[must_use]
        #vis fn #cancelled_by(token: &#host::CancelToken) -> #calls {
            <#calls as ::core::default::Default>::default().cancelled_by(token)
        }
    }
}

/// The type of the options of such calls, with this name.
pub(crate) fn options(
    signature: &Signature<'_>,
    name: &Ident,
    vis: impl ToTokens,
    field_vis: impl ToTokens,
) -> TokenStream {
    let host = signature.host;
    quote! {
        #[doc = "Calls of a virtine with other options than those of its attribute."]
        #[allow(non_camel_case_types, dead_code)]
        #[derive(Default)]
        #vis struct #name {
            #field_vis policy: ::core::option::Option<#host::Policy>,
            #field_vis cancel: ::core::option::Option<#host::CancelToken>,
        }
    }
}

fn methods(signature: &Signature<'_>) -> TokenStream {
    let (function, parameters) = (signature.function, &signature.parameters);
    let (arguments, result) = (&signature.arguments, &signature.result);
    let host = signature.host;
    let (calls, run) = (&signature.names.calls, &signature.names.run);
    let handle = &signature.names.handle;
    let (vis, generics) = (&function.vis, &function.sig.generics);
    let (where_clause, safety) = (&generics.where_clause, &signature.safety);
    let unlinted = &signature.unlinted;
    let about_try_call = format!(
        "Calls and returns a failure as an error.\n\n# Errors\n\nIf the call fails: see `wasp_core::Error`.{}",
        signature.about_safety(),
    );
    let about_call = format!(
        "Calls.\n\n# Panics\n\nIf the call fails, with the cause.{}",
        signature.about_safety(),
    );
    let options = quote! {
        #host::expansion::Options { policy: self.policy.as_ref(), cancel: self.cancel.as_ref() }
    };
    quote! {
        #unlinted
        impl #calls {
            #[doc = "Grants what `policy` grants, instead of what the attribute grants."]
            #[must_use]
            #vis fn with(mut self, policy: impl ::core::convert::Into<#host::Policy>) -> Self {
                self.policy = ::core::option::Option::Some(policy.into());
                self
            }

            #[doc = "Lets `token` cancel the calls."]
            #[must_use]
            #vis fn cancelled_by(mut self, token: &#host::CancelToken) -> Self {
                self.cancel = ::core::option::Option::Some(::core::clone::Clone::clone(token));
                self
            }

            #[doc = #about_try_call]
            #vis #safety fn try_call #generics(&self, #parameters)
                -> ::core::result::Result<#result, #host::Error>
            #where_clause
            {
                #run(#options, #arguments)
            }

            #[doc = #about_call]
            #[track_caller]
            #vis #safety fn call #generics(&self, #parameters) -> #result #where_clause {
                match #run(#options, #arguments) {
                    ::core::result::Result::Ok(result) => result,
                    ::core::result::Result::Err(error) => #handle.fail(&error),
                }
            }
        }
    }
}
