//! The function that encodes the arguments, calls the virtine and decodes the result.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned as _;
use virtine_build::syntax::{Form, Parameter, Passing};

use crate::signature::Signature;

/// `fn __virtine_run_square(__options: Options<'_>, x: i32) -> Result<i32, Error>`
pub(crate) fn run(signature: &Signature<'_>) -> TokenStream {
    let (function, checked) = (signature.function, signature.checked);
    let (parameters, result) = (&signature.parameters, &signature.result);
    let host = signature.host;
    let (run, handle) = (&signature.names.run, &signature.names.handle);
    let generics = &function.sig.generics;
    let where_clause = &generics.where_clause;
    let pushes = checked.parameters.iter().map(|one| push(one, host));
    let moved = checked.parameters.iter().filter_map(make_movable);
    let (encoded, decoded) = returned(signature);
    let changes = checked.parameters.iter().map(|one| Change::of(one, host));
    let changes: Vec<Option<Change<'_>>> = changes.collect();
    let changed = nested(&changes, |change| change.encoded.clone());
    let pattern = nested(&changes, |change| change.name.to_token_stream());
    let present = changes.iter().flatten();
    let checks = present.clone().filter_map(|change| change.check(host));
    let copies = present.map(Change::copy);
    // If the result's type lacks `Deserialize`, the compiler reports it at that type.
    let call = quote_spanned! { signature.result_span => #handle.call::<#encoded, #changed> };
    quote! {
        #[doc(hidden)]
        #[allow(dead_code, clippy::all)]
        fn #run #generics(__options: #host::expansion::Options<'_>, #parameters)
            -> ::core::result::Result<#result, #host::Error>
        #where_clause
        {
            #(#moved)*
            let returned = #call(
                __options,
                |arguments| { #(#pushes)* },
                // Before anything is copied, so that a failure leaves everything unchanged.
                |#pattern| {
                    #(#checks)*
                    ::core::result::Result::Ok(())
                },
            )?;
            let result = returned.take(|#pattern, __memory| { #(#copies)* })?;
            ::core::result::Result::Ok(#decoded)
        }
    }
}

/// `(a, (b, (c, ())))` for the parts of these changes, with `()` for a parameter that is not copied back.
fn nested(
    changes: &[Option<Change<'_>>],
    part: impl Fn(&Change<'_>) -> TokenStream,
) -> TokenStream {
    changes.iter().rev().fold(quote!(()), |rest, change| {
        let part = change.as_ref().map_or(quote!(()), &part);
        quote!((#part, #rest))
    })
}

/// The type that the result is decoded as, and the expression that turns the value `result` of this type
/// into the function's result.
fn returned(signature: &Signature<'_>) -> (TokenStream, TokenStream) {
    let (checked, result) = (signature.checked, &signature.result);
    let (result_span, host) = (signature.result_span, signature.host);
    if checked.result == Passing::IoResult {
        let form = quote!(<#result as #host::expansion::IoForm>);
        return (quote!(#form::Form), quote!(#form::restored(result)));
    }
    match wrapper(&checked.result_form, result, result_span, host) {
        Some(wrapper) => (wrapper, quote!(result.0)),
        None => (result.clone(), quote!(result)),
    }
}

/// Handles are moved into the call only once, but the arguments may be encoded twice.
fn make_movable(parameter: &Parameter) -> Option<TokenStream> {
    let name = &parameter.name;
    (parameter.passing == Passing::Handle)
        .then(|| quote! { let mut #name = ::core::option::Option::Some(#name); })
}

/// A parameter that is copied back.
struct Change<'a> {
    parameter: &'a Parameter,
    /// The variable with its new value.
    name: Ident,
    /// The type that the new value is decoded as.
    encoded: TokenStream,
}

impl<'a> Change<'a> {
    fn of(parameter: &'a Parameter, host: &TokenStream) -> Option<Self> {
        let Type::Reference(reference) = ungrouped(&parameter.ty) else {
            return None;
        };
        let element = &reference.elem;
        let ty = match (parameter.passing, &**element) {
            (Passing::Mutable, _) => element.to_token_stream(),
            (Passing::MutableSlice, Type::Slice(slice)) => {
                let element = &slice.elem;
                let container = match parameter.form {
                    Form::SerdeForm => quote!(#host::expansion::Changed),
                    _ => quote!(#host::expansion::Vec),
                };
                quote_spanned! { element.span() => #container<#element> }
            }
            _ => return None,
        };
        Some(Self {
            parameter,
            name: format_ident!("__changed_{}", parameter.name, span = Span::call_site()),
            encoded: wrapper(&parameter.form, &ty, element.span(), host).unwrap_or(ty),
        })
    }

    fn check(&self, host: &TokenStream) -> Option<TokenStream> {
        let (value, original) = (self.value(), &self.parameter.name);
        (self.parameter.passing == Passing::MutableSlice).then(|| {
            quote! { #host::expansion::check_length(#value.len(), #original.len())?; }
        })
    }

    fn copy(&self) -> TokenStream {
        let (value, original) = (self.value(), &self.parameter.name);
        match (self.parameter.passing, &self.parameter.form) {
            (Passing::MutableSlice, Form::SerdeForm) => quote! {
                __memory.overwrite(#original, #value);
            },
            (Passing::MutableSlice, _) => quote! {
                for (old, new) in #original.iter_mut().zip(#value) {
                    *old = new;
                }
            },
            _ => quote! { *#original = #value; },
        }
    }

    /// The new value, without its wrapper.
    fn value(&self) -> TokenStream {
        let name = &self.name;
        match self.parameter.form {
            Form::SerdeForm => quote!(#name),
            _ => quote!(#name.0),
        }
    }
}

/// The type that wraps `ty` for decoding, unless its form is serde's own.
fn wrapper(form: &Form, ty: &TokenStream, span: Span, host: &TokenStream) -> Option<TokenStream> {
    let form = form.tokens(&quote!(#host::expansion::form))?;
    Some(quote_spanned! { span => #host::expansion::form::As<#form, #ty> })
}

fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => ungrouped(&inner.elem),
        Type::Group(inner) => ungrouped(&inner.elem),
        _ => ty,
    }
}

/// The statement that encodes a parameter. If its type lacks `Serialize`, the compiler reports it at that type.
fn push(parameter: &Parameter, host: &TokenStream) -> TokenStream {
    let Parameter { name, ty, .. } = parameter;
    let span = ty.span();
    let value = match parameter.passing {
        Passing::Bytes => return quote_spanned! { span => arguments.push_bytes(#name); },
        Passing::Handle => return quote_spanned! { span => arguments.push_handle(#name.take()); },
        Passing::MutableHandle => {
            return quote_spanned! { span => arguments.push_shared_handle(&*#name); };
        }
        Passing::Value => quote_spanned!(span => &#name),
        Passing::IoResult | Passing::Reference | Passing::Slice => quote!(#name),
        Passing::Mutable | Passing::MutableSlice => quote_spanned!(span => &*#name),
    };
    match parameter.form.tokens(&quote!(#host::expansion::form)) {
        Some(form) => quote_spanned! { span => arguments.push_as::<#form, _>(#value); },
        None => quote_spanned! { span => arguments.push(#value); },
    }
}
