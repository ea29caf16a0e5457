//! What all generated items need from the user's function.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, GenericArgument, Ident, ItemFn, Lifetime, PathArguments, PathSegment, ReturnType,
    Safety, Type,
};
use virtine_build::syntax::{Function, Parameter};

/// The user's function, and the tokens derived from its signature.
pub(crate) struct Signature<'a> {
    pub(crate) function: &'a ItemFn,
    pub(crate) checked: &'a Function,
    /// `x: i32, y: &str`
    pub(crate) parameters: TokenStream,
    /// `x, y`
    pub(crate) arguments: TokenStream,
    /// The type of the result, and its location.
    pub(crate) result: TokenStream,
    pub(crate) result_span: Span,
    pub(crate) names: Names,
    /// `unsafe`, if the function is. Whoever calls it has to keep its promises then, by whichever name.
    pub(crate) safety: Safety,
    /// Turns lints off for the generated calls.
    pub(crate) unlinted: TokenStream,
    /// The path of `wasp-core`.
    pub(crate) host: &'a TokenStream,
}

/// The names of the generated items.
pub(crate) struct Names {
    /// The function that returns the calls under a policy.
    pub(crate) with: Ident,
    /// The function that returns the calls with a token.
    pub(crate) cancelled_by: Ident,
    /// The type of these calls.
    pub(crate) calls: Ident,
    /// The function that calls and returns failures as errors.
    pub(crate) try_call: Ident,
    /// The function that calls with given options.
    pub(crate) run: Ident,
    /// The static that describes the function.
    pub(crate) handle: Ident,
}

impl<'a> Signature<'a> {
    pub(crate) fn new(function: &'a ItemFn, checked: &'a Function, host: &'a TokenStream) -> Self {
        let parameters = checked.parameters.iter();
        let names = parameters.clone().map(|parameter| &parameter.name);
        let parameters = parameters.map(|Parameter { name, ty, .. }| quote!(#name: #ty));
        let (result, result_span) = match &function.sig.output {
            ReturnType::Default => (quote!(()), function.sig.ident.span()),
            ReturnType::Type(_, ty) => (owned(ty).to_token_stream(), ty.span()),
        };
        Self {
            function,
            checked,
            parameters: quote!(#(#parameters),*),
            arguments: quote!(#(#names),*),
            result,
            result_span,
            names: Names::of(&function.sig.ident),
            safety: function.sig.safety.clone(),
            unlinted: match function.sig.safety {
                // The lint reports the user's own function. To allow it elsewhere is an error where it is forbidden.
                Safety::Unsafe(_) => quote!(#[allow(dead_code, clippy::all, unsafe_code)]),
                _ => quote!(#[allow(dead_code, clippy::all)]),
            },
            host,
        }
    }

    /// What documentation of the other calls adds to that of an unsafe function.
    pub(crate) fn about_safety(&self) -> &'static str {
        match self.safety {
            Safety::Unsafe(_) => "\n\n# Safety\n\nThe same as for the function itself.",
            _ => "",
        }
    }

    /// The attributes of the function with one of these names.
    pub(crate) fn attributes(&self, names: &[&str]) -> Vec<&'a Attribute> {
        let attributes = self.function.attrs.iter();
        attributes.filter(|one| is_one_of(one, names)).collect()
    }
}

/// Whether an attribute has one of these names.
pub(crate) fn is_one_of(attribute: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attribute.path().is_ident(name))
}

impl Names {
    fn of(function: &Ident) -> Self {
        let name = |prefix| format_ident!("__virtine_{prefix}{function}", span = Span::call_site());
        Self {
            with: name("with_"),
            cancelled_by: name("cancelled_by_"),
            calls: name("calls_"),
            try_call: name("try_"),
            run: name("run_"),
            handle: name(""),
        }
    }
}

/// A result's type with `'static` for every omitted lifetime. A result borrows nothing, and next to a policy
/// parameter the compiler cannot infer the lifetime.
fn owned(ty: &Type) -> Type {
    struct Owner;
    impl VisitMut for Owner {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident == "_" {
                lifetime.ident = Ident::new("static", lifetime.ident.span());
            }
        }

        fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
            visit_mut::visit_path_segment_mut(self, segment);
            let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else {
                return;
            };
            // The only type of std whose lifetime may be omitted.
            if segment.ident == "Cow" && arguments.args.len() == 1 {
                let lifetime = Lifetime::new("'static", segment.ident.span());
                arguments
                    .args
                    .insert(0, GenericArgument::Lifetime(lifetime));
            }
        }
    }
    let mut owned = ty.clone();
    Owner.visit_type_mut(&mut owned);
    owned
}
