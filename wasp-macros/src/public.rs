//! The public names of a function's other calls: `f::try_call`, `f::with` and `f::cancelled_by`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::Visibility;
use virtine_build::report::Standing;

use crate::calls::options;
use crate::signature::Signature;

/// A module with these names. In a body it is a type, because modules do not see the items of a body.
pub(crate) fn public(signature: &Signature<'_>, standing: Standing) -> TokenStream {
    let about = format!(
        "The other ways to call [`{}()`]: with failures as errors, under another policy, or so that it can be cancelled.",
        signature.function.sig.ident,
    );
    match standing {
        Standing::Module => module(signature, &signature.function.vis, &about),
        // A private module is not imported together with the function.
        Standing::ModuleOfNamesake => module(signature, &Visibility::Inherited, &about),
        Standing::Body => type_with_methods(signature),
    }
}

fn module(signature: &Signature<'_>, module_vis: &Visibility, about: &str) -> TokenStream {
    let (with, cancelled_by) = (&signature.names.with, &signature.names.cancelled_by);
    let try_call = &signature.names.try_call;
    let name = &signature.function.sig.ident;
    let inner_vis = from_child(&signature.function.vis);
    let calls = Ident::new("Calls", Span::call_site());
    let options = options(signature, &calls, &inner_vis, quote!(pub(super)));
    quote! {
        #[doc = #about]
        #[allow(unused_imports, dead_code)]
        #module_vis mod #name {
            #options
            #[doc(inline)]
            #inner_vis use super::#try_call as try_call;
            #[doc(inline)]
            #inner_vis use super::#with as with;
            #[doc(inline)]
            #inner_vis use super::#cancelled_by as cancelled_by;
        }
    }
}

fn type_with_methods(signature: &Signature<'_>) -> TokenStream {
    let about = format!(
        "Calls [`{}()`] and returns a failure as an error.{}",
        signature.function.sig.ident,
        signature.about_safety(),
    );
    let (function, parameters) = (signature.function, &signature.parameters);
    let (arguments, result) = (&signature.arguments, &signature.result);
    let host = signature.host;
    let (with, cancelled_by) = (&signature.names.with, &signature.names.cancelled_by);
    let (run, calls) = (&signature.names.run, &signature.names.calls);
    let (safety, unlinted) = (&signature.safety, &signature.unlinted);
    let (name, vis) = (&function.sig.ident, &function.vis);
    let generics = &function.sig.generics;
    let where_clause = &generics.where_clause;
    quote! {
        #[allow(non_camel_case_types, dead_code)]
        #vis enum #name {}
        #unlinted
        impl #name {
            #[doc = #about]
            #vis #safety fn try_call #generics(#parameters)
                -> ::core::result::Result<#result, #host::Error>
            #where_clause
            {
                #run(::core::default::Default::default(), #arguments)
            }

            #[doc = "Calls under a given policy."]
            #vis fn with(policy: impl ::core::convert::Into<#host::Policy>) -> #calls {
                #with(policy)
            }

            #[doc = "Calls that a token can cancel."]
            #vis fn cancelled_by(token: &#host::CancelToken) -> #calls {
                #cancelled_by(token)
            }
        }
    }
}

/// The same visibility, as seen from a child module.
fn from_child(visibility: &Visibility) -> TokenStream {
    match visibility {
        Visibility::Public(_) => quote!(pub),
        Visibility::Inherited => quote!(pub(super)),
        Visibility::Restricted(restricted) => {
            let path = &restricted.path;
            match path.segments.first() {
                Some(first) if first.ident == "self" => quote!(pub(super)),
                Some(first) if first.ident == "super" => quote!(pub(in super::#path)),
                _ => quote!(#visibility),
            }
        }
    }
}
