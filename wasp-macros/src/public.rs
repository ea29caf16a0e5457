//! The public names beside a function: `f::try_call`, `f::with` and `f::cancelled_by`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemFn, Visibility};

use virtine_build::report::Standing;

use crate::with::Names;

/// In a module, a module; in a body, where a module does not see what stands beside it, a type.
///
/// `parameters` are the function's, `result` its result's type.
pub(crate) fn public(
    function: &ItemFn,
    names: &Names<'_>,
    [parameters, arguments, result]: [&TokenStream; 3],
    host: &TokenStream,
    standing: Standing,
) -> TokenStream {
    let Names {
        with,
        cancelled_by,
        try_call,
        calls,
        ..
    } = names;
    let (name, vis) = (&function.sig.ident, &function.vis);
    let about = format!("Calls [`{name}()`] so that a failure is an error.");
    if standing != Standing::Body {
        let inner_vis = from_child(vis);
        // What is private is not imported along with the function.
        let module_vis = (standing == Standing::Module).then_some(vis);
        return quote! {
            #[doc = #about]
            #[allow(unused_imports, dead_code)]
            #module_vis mod #name {
                #[doc(inline)]
                #inner_vis use super::#try_call as try_call;
                #[doc(inline)]
                #inner_vis use super::#with as with;
                #[doc(inline)]
                #inner_vis use super::#cancelled_by as cancelled_by;
            }
        };
    }
    let generics = &function.sig.generics;
    let where_clause = &generics.where_clause;
    quote! {
        #[allow(non_camel_case_types, dead_code)]
        #vis enum #name {}
        #[allow(dead_code, clippy::all)]
        impl #name {
            #[doc = #about]
            #vis fn try_call #generics(#parameters) -> ::core::result::Result<#result, #host::Error>
            #where_clause
            {
                #try_call(#arguments)
            }

            #[doc = "Calls under a policy of the caller's."]
            #vis fn with(policy: impl ::core::convert::Into<#host::Policy>) -> #calls {
                #with(policy)
            }

            #[doc = "Calls that a token can end."]
            #vis fn cancelled_by(token: &#host::CancelToken) -> #calls {
                #cancelled_by(token)
            }
        }
    }
}

/// The same visibility, as a child module has to spell it.
fn from_child(visibility: &Visibility) -> TokenStream {
    match visibility {
        Visibility::Public(_) => quote!(pub),
        Visibility::Inherited => quote!(pub(super)),
        Visibility::Restricted(restricted) => {
            let path = &restricted.path;
            match path
                .segments
                .first()
                .map(|first| first.ident.to_string())
                .as_deref()
            {
                Some("self") => quote!(pub(super)),
                Some("super") => quote!(pub(in super::#path)),
                _ => quote!(#visibility),
            }
        }
    }
}
