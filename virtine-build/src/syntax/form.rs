//! The form in which a type is encoded: see `virtine_rt::codec::form`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{GenericArgument, PathArguments, PathSegment, Type, TypeParamBound, TypeTraitObject};

/// The errors that [`Form::SimpleError`] encodes, by name.
const SIMPLE_ERRORS: [&str; 7] = [
    "ParseIntError",
    "ParseFloatError",
    "ParseBoolError",
    "ParseCharError",
    "CharTryFromError",
    "TryFromIntError",
    "AddrParseError",
];

/// The form of a type, judging by its spelling. The variants have the names of virtine-rt's forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Serde's own encoding. Most types have it.
    SerdeForm,
    /// `std::cmp::Ordering`.
    Ordered,
    /// An error of std that says one of a few things: `ParseIntError` and its like.
    SimpleError,
    /// `Box<dyn Error>`, `anyhow::Error`.
    Chain,
    /// `Box<dyn Error + Send + Sync>`.
    SendChain,
    /// `[T; N]`.
    Array(Box<Form>),
    /// `Vec<T>`, `&[T]`, `Box<[T]>`.
    List(Box<Form>),
    /// `Option<T>`.
    Optional(Box<Form>),
    /// `Result<T, E>`, or an alias with one parameter.
    Fallible(Box<(Form, Form)>),
    /// `Box<T>`.
    Boxed(Box<Form>),
    /// `&T`.
    Borrowed(Box<Form>),
    /// `(T, U)`.
    Tuple(Vec<Form>),
}

impl Form {
    /// The form of `ty`.
    #[must_use]
    pub fn of(ty: &Type) -> Self {
        match ty {
            Type::Paren(inner) => Self::of(&inner.elem),
            Type::Group(inner) => Self::of(&inner.elem),
            Type::Array(array) => Self::Array(Box::new(Self::of(&array.elem))),
            Type::Slice(slice) => Self::of(&slice.elem).within(Self::List),
            Type::Tuple(tuple) => Self::of_tuple(tuple.elems.iter()),
            Type::Reference(reference) => Self::of_reference(&reference.elem),
            Type::Path(path) if path.qself.is_none() => {
                let last = path.path.segments.last();
                last.map_or(Self::SerdeForm, |last| Self::of_named(&path.path, last))
            }
            _ => Self::SerdeForm,
        }
    }

    /// A container whose elements have serde's own encoding also has it.
    fn within(self, holder: fn(Box<Self>) -> Self) -> Self {
        match self {
            Self::SerdeForm => Self::SerdeForm,
            other => holder(Box::new(other)),
        }
    }

    fn of_tuple<'a>(types: impl Iterator<Item = &'a Type>) -> Self {
        let forms: Vec<Self> = types.map(Self::of).collect();
        match forms.iter().all(|form| *form == Self::SerdeForm) {
            true => Self::SerdeForm,
            false => Self::Tuple(forms),
        }
    }

    /// Serde itself borrows only strings and bytes.
    fn of_reference(referent: &Type) -> Self {
        match referent {
            Type::Paren(inner) => Self::of_reference(&inner.elem),
            Type::Group(inner) => Self::of_reference(&inner.elem),
            Type::Slice(slice) if is_named(&slice.elem, "u8") => Self::SerdeForm,
            Type::Slice(slice) => Self::List(Box::new(Self::of(&slice.elem))),
            ty if is_named(ty, "str") => Self::SerdeForm,
            ty => Self::Borrowed(Box::new(Self::of(ty))),
        }
    }

    fn of_named(path: &syn::Path, last: &PathSegment) -> Self {
        if let Some(form) = Self::of_plain(path, last) {
            return form;
        }
        let PathArguments::AngleBracketed(arguments) = &last.arguments else {
            return Self::SerdeForm;
        };
        let arguments = arguments.args.iter().map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        });
        let Some(arguments) = arguments.collect::<Option<Vec<&Type>>>() else {
            return Self::SerdeForm;
        };
        match (last.ident.to_string().as_str(), &arguments[..]) {
            ("Option", [ty]) => Self::of(ty).within(Self::Optional),
            ("Vec", [ty]) => Self::of(ty).within(Self::List),
            ("Box", [slice @ Type::Slice(_)]) => Self::of(slice),
            ("Box", [Type::TraitObject(object)]) => Self::of_boxed_object(object),
            ("Box", [ty]) => Self::of(ty).within(Self::Boxed),
            ("Result", [ty]) => Self::of_result(Self::of(ty), Self::of_alias(path)),
            ("Result", [ty, error]) => Self::of_result(Self::of(ty), Self::of(error)),
            _ => Self::SerdeForm,
        }
    }

    /// The form of a type without parameters, unless it is serde's own.
    fn of_plain(path: &syn::Path, last: &PathSegment) -> Option<Self> {
        let is_qualified = path.segments.len() > 1;
        let is = |module, name| is_qualified && is_from(path, module, name);
        if is_from(path, "cmp", "Ordering") {
            Some(Self::Ordered)
        } else if is("anyhow", "Error") || is("eyre", "Report") {
            Some(Self::Chain)
        } else if is("fmt", "Error") || SIMPLE_ERRORS.iter().any(|name| last.ident == name) {
            Some(Self::SimpleError)
        } else {
            None
        }
    }

    /// The form of `Box<dyn ..>`.
    fn of_boxed_object(object: &TypeTraitObject) -> Self {
        let bounds: Vec<&Ident> = object
            .bounds
            .iter()
            .filter_map(|bound| match bound {
                TypeParamBound::Trait(bound) => Some(&bound.path.segments.last()?.ident),
                _ => None,
            })
            .collect();
        match bounds[..] {
            [name] if name == "Error" => Self::Chain,
            [name, ..] if name == "Error" => Self::SendChain,
            _ => Self::SerdeForm,
        }
    }

    /// What an alias with one parameter has as error: `anyhow::Result<T>`.
    fn of_alias(path: &syn::Path) -> Self {
        let mut modules = path.segments.iter().rev().skip(1);
        match modules.next() {
            Some(module) if module.ident == "anyhow" || module.ident == "eyre" => Self::Chain,
            _ => Self::SerdeForm,
        }
    }

    fn of_result(value: Self, error: Self) -> Self {
        match (value, error) {
            (Self::SerdeForm, Self::SerdeForm) => Self::SerdeForm,
            forms => Self::Fallible(Box::new(forms)),
        }
    }

    /// The form as a type of `module`; `None` for serde's own encoding.
    #[must_use]
    pub fn tokens(&self, module: &TokenStream) -> Option<TokenStream> {
        (*self != Self::SerdeForm).then(|| self.ty(module))
    }

    fn ty(&self, module: &TokenStream) -> TokenStream {
        let types = |forms: &[&Self]| -> Vec<TokenStream> {
            forms.iter().map(|form| form.ty(module)).collect()
        };
        let (name, held): (&str, &[&Self]) = match self {
            Self::Tuple(forms) => {
                let forms = types(&forms.iter().collect::<Vec<_>>());
                return quote!((#(#forms,)*));
            }
            Self::SerdeForm => ("SerdeForm", &[]),
            Self::Ordered => ("Ordered", &[]),
            Self::SimpleError => ("SimpleError", &[]),
            Self::Chain => ("Chain", &[]),
            Self::SendChain => ("SendChain", &[]),
            Self::Array(form) => ("Array", &[form]),
            Self::List(form) => ("List", &[form]),
            Self::Optional(form) => ("Optional", &[form]),
            Self::Boxed(form) => ("Boxed", &[form]),
            Self::Borrowed(form) => ("Borrowed", &[form]),
            Self::Fallible(forms) => ("Fallible", &[&forms.0, &forms.1]),
        };
        let (name, held) = (Ident::new(name, Span::call_site()), types(held));
        match held.is_empty() {
            true => quote!(#module::#name),
            false => quote!(#module::#name<#(#held),*>),
        }
    }
}

/// Whether a type is written as `name`.
pub(super) fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident(name))
}

/// Whether a path is `name`, `module::name` or `std::module::name`: `cmp::Ordering`, but not
/// `atomic::Ordering`.
pub(super) fn is_from(path: &syn::Path, module: &str, name: &str) -> bool {
    let mut names = path.segments.iter().rev().map(|segment| &segment.ident);
    names.next().is_some_and(|last| last == name)
        && names.next().is_none_or(|other| other == module)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(ty: &str) -> String {
        let form = Form::of(&syn::parse_str(ty).expect("a type"));
        let tokens = form.tokens(&quote!(f)).unwrap_or_default();
        tokens.to_string().replace(' ', "").replace("f::", "")
    }

    #[test]
    fn most_types_need_none() {
        for ty in [
            "u8",
            "&str",
            "Vec<&[u8]>",
            "(u8, Option<String>)",
            "Result<Vec<u8>, Error>",
            "atomic::Ordering",
            "HashMap<String, u8>",
            "Box<[u8]>",
            "[u8]",
            "Option<&'a str>",
            "<T as Trait>::Ordering",
        ] {
            assert_eq!(form(ty), "", "{ty}");
        }
    }

    #[test]
    fn forms_follow_the_type() {
        for (ty, expected) in [
            ("[u8; 64]", "Array<SerdeForm>"),
            ("[[u8; 64]; N]", "Array<Array<SerdeForm>>"),
            ("Ordering", "Ordered"),
            (
                "Result<u8, std::num::ParseIntError>",
                "Fallible<SerdeForm,SimpleError>",
            ),
            (
                "Result<String, fmt::Error>",
                "Fallible<SerdeForm,SimpleError>",
            ),
            (
                "Result<u8, Box<dyn std::error::Error>>",
                "Fallible<SerdeForm,Chain>",
            ),
            (
                "Result<u8, Box<dyn Error + Send + Sync + 'static>>",
                "Fallible<SerdeForm,SendChain>",
            ),
            ("anyhow::Result<()>", "Fallible<SerdeForm,Chain>"),
            ("Result<u8, anyhow::Error>", "Fallible<SerdeForm,Chain>"),
            ("std::option::Option<cmp::Ordering>", "Optional<Ordered>"),
            ("&[&[i32]]", "List<List<SerdeForm>>"),
            ("Option<&[&str]>", "Optional<List<SerdeForm>>"),
            ("Box<[[u8; 40]]>", "List<Array<SerdeForm>>"),
            ("Box<[u8; 40]>", "Boxed<Array<SerdeForm>>"),
            ("Vec<(u8, &T)>", "List<(SerdeForm,Borrowed<SerdeForm>,)>"),
            ("io::Result<Ordering>", "Fallible<Ordered,SerdeForm>"),
            (
                "Result<(), [u8; 40]>",
                "Fallible<SerdeForm,Array<SerdeForm>>",
            ),
        ] {
            assert_eq!(form(ty), expected, "{ty}");
        }
    }
}
