//! Checks which functions can be virtines, and how each parameter is passed.

use quote::ToTokens;
use syn::spanned::Spanned as _;
use syn::{
    FnArg, GenericParam, Ident, ItemFn, Pat, PatType, ReturnType, Signature, Type, TypeReference,
};

use super::form::{Form, is_from, is_named};
use super::parse::Errors;

/// A function that can be a virtine.
#[derive(Clone)]
pub struct Function {
    /// The parameters, in order.
    pub parameters: Vec<Parameter>,
    /// How the result is passed: as [`Passing::Value`] or [`Passing::IoResult`].
    pub result: Passing,
    /// The form of the result.
    pub result_form: Form,
}

/// One parameter of a virtine.
#[derive(Clone)]
pub struct Parameter {
    /// Its name in the host's stub: the user's own if the pattern is a plain name.
    pub name: Ident,
    /// The type, as written.
    pub ty: Type,
    /// How it is passed.
    pub passing: Passing,
    /// The form of the type, or of the type that it refers to.
    pub form: Form,
}

/// How a parameter is passed, judging by its type without name resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// `T`, `&str`: encoded by serde, decoded as written.
    Value,
    /// `&[u8]`: copied once, then borrowed.
    Bytes,
    /// `&T`: encoded by serde, decoded by value, passed by reference.
    Reference,
    /// `&[T]`: like `&T`, decoded as a `Vec`.
    Slice,
    /// `&mut T`: like `&T`, and copied back on success.
    Mutable,
    /// `&mut [T]`: like `&[T]`, and copied back on success.
    MutableSlice,
    /// `File`, `TcpStream`, `UnixStream`: moved into the call.
    Handle,
    /// `&mut File` and so on: lent for the call.
    MutableHandle,
    /// `std::io::Result<T>`, as a result.
    IoResult,
}

impl Passing {
    /// Its name in the guest's macros.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Value | Self::Bytes => "value",
            Self::Reference => "reference",
            Self::Slice => "slice",
            Self::Mutable => "mutable",
            Self::MutableSlice => "mutable_slice",
            Self::Handle => "handle",
            Self::MutableHandle => "mutable_handle",
            Self::IoResult => "io_result",
        }
    }
}

impl Function {
    /// Checks that `function` can be a virtine.
    ///
    /// # Errors
    ///
    /// All reasons why it cannot, each at its own token.
    pub fn check(function: &ItemFn) -> syn::Result<Self> {
        let mut errors = Errors::default();
        refusals(function)
            .into_iter()
            .for_each(|error| errors.push(error));
        let inputs = function.sig.inputs.iter().enumerate();
        let parameters = inputs.filter_map(|(index, input)| {
            let result = parameter(index, input);
            result.map_err(|error| errors.push(error)).ok()
        });
        let parameters = parameters.collect();
        let (result, result_form) = result(&function.sig.output);
        errors.finish().map(|()| Self {
            parameters,
            result,
            result_form,
        })
    }
}

fn result(output: &ReturnType) -> (Passing, Form) {
    match output {
        ReturnType::Type(_, ty) if is_io_result(ty) => (Passing::IoResult, Form::SerdeForm),
        // The only reference that a result may contain is `&'static str`, which serde supports.
        ReturnType::Type(_, ty) => (Passing::Value, Form::of(ty)),
        ReturnType::Default => (Passing::Value, Form::SerdeForm),
    }
}

/// `File`, `TcpStream`, `UnixStream`.
fn is_handle(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    [("fs", "File"), ("net", "TcpStream"), ("net", "UnixStream")]
        .iter()
        .any(|(module, name)| is_from(&path.path, module, name))
}

/// `io::Result<T>`, `Result<T, io::Error>`.
fn is_io_result(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    let segments = &path.path.segments;
    let Some(last) = segments.last().filter(|last| last.ident == "Result") else {
        return false;
    };
    let module = segments.iter().rev().nth(1);
    if module.is_some_and(|module| module.ident == "io") {
        return true;
    }
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return false;
    };
    let Some(syn::GenericArgument::Type(Type::Path(error))) = arguments.args.iter().nth(1) else {
        return false;
    };
    error.path.segments.len() > 1 && is_from(&error.path, "io", "Error")
}

/// `&'static str`
fn is_static_str(reference: &TypeReference) -> bool {
    let is_static = |lifetime: &syn::Lifetime| lifetime.ident == "static";
    reference.lifetime.as_ref().is_some_and(is_static)
        && reference.mutability.is_none()
        && is_named(&reference.elem, "str")
}

/// Everything in the signature, parameters aside, that a virtine cannot have.
fn refusals(function: &ItemFn) -> Vec<syn::Error> {
    let signature = &function.sig;
    let generics = signature.generics.params.iter();
    let generic = generics.filter(|one| !matches!(one, GenericParam::Lifetime(_)));
    let generic = generic.map(|one| syn::Error::new_spanned(one, GENERIC));
    let result = match &signature.output {
        ReturnType::Type(_, ty) => result_refusal(ty),
        ReturnType::Default => None,
    };
    qualifiers(signature)
        .into_iter()
        .chain(generic)
        .chain(result)
        .collect()
}

const GENERIC: &str = "a virtine cannot be generic: its image is compiled once, before any call; write one \
                       virtine for each type and let them call the generic function";

/// The qualifiers of a signature that a virtine cannot have.
fn qualifiers(signature: &Signature) -> Vec<syn::Error> {
    fn tokens(token: &Option<impl ToTokens>) -> Option<&dyn ToTokens> {
        token.as_ref().map(|token| token as &dyn ToTokens)
    }
    let refused = [
        (
            tokens(&signature.asyncness),
            "a virtine cannot be async: its call ends when the virtual machine exits",
        ),
        (
            tokens(&signature.abi),
            "a virtine cannot have a foreign ABI",
        ),
        (tokens(&signature.variadic), "a virtine cannot be variadic"),
    ];
    let refused = refused.into_iter();
    refused
        .filter_map(|(tokens, reason)| Some(syn::Error::new_spanned(tokens?, reason)))
        .collect()
}

fn result_refusal(ty: &Type) -> Option<syn::Error> {
    let refusal = |ty: &Type, reason| Some(syn::Error::new_spanned(ty, reason));
    match ty {
        Type::ImplTrait(_) => refusal(
            ty,
            "a virtine's result must have a named type: the host must be able to decode it",
        ),
        _ => {
            let reference = references(ty).into_iter().find(|one| !is_static_str(one))?;
            let reason = "a virtine's result cannot borrow: it would point into the memory of the virtual \
                          machine; return an owned value, such as `String` or `Vec`";
            Some(syn::Error::new_spanned(&reference, reason))
        }
    }
}

/// All references in a type.
fn references(ty: &Type) -> Vec<TypeReference> {
    struct Finder(Vec<TypeReference>);
    impl<'a> syn::visit::Visit<'a> for Finder {
        fn visit_type_reference(&mut self, reference: &'a TypeReference) {
            self.0.push(reference.clone());
            syn::visit::visit_type_reference(self, reference);
        }
    }
    let mut finder = Finder(Vec::new());
    syn::visit::Visit::visit_type(&mut finder, ty);
    finder.0
}

fn parameter(index: usize, input: &FnArg) -> syn::Result<Parameter> {
    let PatType { pat, ty, .. } = match input {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            return Err(syn::Error::new_spanned(
                receiver,
                "a virtine cannot be a method: write a function that takes the value as its parameter",
            ));
        }
    };
    let (passing, form) = passing(ty)?;
    let name = match &**pat {
        Pat::Ident(named) if named.subpat.is_none() => {
            Ident::new(&named.ident.to_string(), named.ident.span())
        }
        other => Ident::new(&format!("argument{index}"), other.span()),
    };
    Ok(Parameter {
        name,
        ty: (**ty).clone(),
        passing,
        form,
    })
}

fn passing(ty: &Type) -> syn::Result<(Passing, Form)> {
    let reference = match ty {
        Type::ImplTrait(_) => {
            let reason =
                "a virtine cannot take `impl Trait`: its image is compiled once, before any call";
            return Err(syn::Error::new_spanned(ty, reason));
        }
        Type::Paren(inner) => return passing(&inner.elem),
        Type::Group(inner) => return passing(&inner.elem),
        Type::Reference(reference) => reference,
        ty if is_handle(ty) => return Ok((Passing::Handle, Form::SerdeForm)),
        ty => return no_mutable_within(ty).map(|()| (Passing::Value, Form::of(ty))),
    };
    let passing = match reference.mutability {
        Some(_) => mutable(&reference.elem)?,
        None => shared(&reference.elem)?,
    };
    let form = match passing {
        Passing::Value | Passing::Bytes | Passing::MutableHandle => Form::SerdeForm,
        _ => Form::of(&reference.elem),
    };
    Ok((passing, form))
}

/// How `&referent` is passed.
fn shared(referent: &Type) -> syn::Result<Passing> {
    no_mutable_within(referent)?;
    match referent {
        Type::TraitObject(_) => Err(trait_object(referent)),
        Type::Slice(slice) if is_named(&slice.elem, "u8") => Ok(Passing::Bytes),
        Type::Slice(_) => Ok(Passing::Slice),
        ty if is_named(ty, "str") => Ok(Passing::Value),
        _ => Ok(Passing::Reference),
    }
}

/// How `&mut referent` is passed.
fn mutable(referent: &Type) -> syn::Result<Passing> {
    if let Some(borrowed) = references(referent).first() {
        let reason = "a `&mut` parameter of a virtine cannot contain references: the changed value could point into \
                      the memory of the virtual machine; use an owned type, such as `&mut [String]`";
        return Err(syn::Error::new_spanned(borrowed, reason));
    }
    match referent {
        Type::TraitObject(_) => Err(trait_object(referent)),
        Type::Slice(_) => Ok(Passing::MutableSlice),
        ty if is_named(ty, "str") => {
            let reason = "a virtine cannot take `&mut str`: use `&mut String`";
            Err(syn::Error::new_spanned(referent, reason))
        }
        ty if is_handle(ty) => Ok(Passing::MutableHandle),
        _ => Ok(Passing::Mutable),
    }
}

fn trait_object(ty: &Type) -> syn::Error {
    let reason = "a virtine cannot take a trait object: its methods are code of the host";
    syn::Error::new_spanned(ty, reason)
}

fn no_mutable_within(ty: &Type) -> syn::Result<()> {
    let references = references(ty);
    match references.iter().find(|one| one.mutability.is_some()) {
        None => Ok(()),
        Some(mutable) => {
            let reason =
                "a `&mut` inside another type is not copied back: make it a separate parameter";
            Err(syn::Error::new_spanned(mutable, reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str) -> Result<Vec<(String, Passing)>, Vec<String>> {
        let function = syn::parse_str(source).expect("a function");
        Function::check(&function)
            .map(|function| {
                let parameters = function.parameters.iter();
                parameters
                    .map(|one| (one.name.to_string(), one.passing))
                    .collect()
            })
            .map_err(|error| error.into_iter().map(|one| one.to_string()).collect())
    }

    #[test]
    fn parameters_are_passed_by_their_type() {
        let parameters = check(
            "fn f(a: u8, mut b: &str, c: &'a [u8], d: &[u32], e: &Vec<u8>, f: &mut Vec<u8>, \
             g: &mut [u8], h: [u8; 9], i: &[u8; 9], j: &mut [u8; 9], k: File, l: &mut std::net::TcpStream, m: my::File) \
             -> u8 { 0 }",
        );
        let expected = [
            ("a", Passing::Value),
            ("b", Passing::Value),
            ("c", Passing::Bytes),
            ("d", Passing::Slice),
            ("e", Passing::Reference),
            ("f", Passing::Mutable),
            ("g", Passing::MutableSlice),
            ("h", Passing::Value),
            ("i", Passing::Reference),
            ("j", Passing::Mutable),
            ("k", Passing::Handle),
            ("l", Passing::MutableHandle),
            ("m", Passing::Value),
        ];
        assert_eq!(
            parameters,
            Ok(expected
                .map(|(name, passing)| (name.to_owned(), passing))
                .to_vec())
        );
    }

    #[test]
    fn io_results_are_recognised_by_their_names() {
        let result = |ty: &str| {
            let function = syn::parse_str(&format!("fn f() -> {ty} {{}}")).expect("a function");
            Function::check(&function).expect("valid").result
        };
        for ty in [
            "io::Result<()>",
            "std::io::Result<u8>",
            "Result<u8, io::Error>",
        ] {
            assert_eq!(result(ty), Passing::IoResult, "{ty}");
        }
        for ty in [
            "Result<u8, String>",
            "fmt::Result",
            "Result<u8, Error>",
            "Result<u8, my::Error>",
        ] {
            assert_eq!(result(ty), Passing::Value, "{ty}");
        }
    }

    #[test]
    fn patterns_get_generated_names() {
        let parameters = check("fn f((a, b): (u8, u8), _: u8) {}").expect("valid");
        assert_eq!(parameters[0].0, "argument0");
        assert_eq!(parameters[1].0, "argument1");
    }

    #[test]
    fn each_refusal_is_reported() {
        for (source, count) in [
            ("async fn f() {}", 1),
            ("extern \"C\" fn f() {}", 1),
            ("fn f<T>(t: T) {}", 1),
            ("fn f<const N: usize>() {}", 1),
            ("fn f(&self) {}", 1),
            ("fn f(self, a: impl Copy) {}", 2),
            ("fn f(a: &mut str) {}", 1),
            ("fn f(a: &dyn Copy) {}", 1),
            (
                "fn f(a: &mut dyn Copy, b: &mut [&str], c: Option<&mut u8>, d: &[&mut u8]) {}",
                4,
            ),
            ("fn f(a: &str) -> &str { a }", 1),
            ("fn f(a: &str) -> Option<&str> { None }", 1),
            ("fn f() -> &'static [u8] { &[] }", 1),
            ("fn f() -> impl Copy { 0 }", 1),
            ("async unsafe fn f<T>(a: &mut T) -> &T { a }", 3),
        ] {
            assert_eq!(check(source).expect_err(source).len(), count, "{source}");
        }
    }

    #[test]
    fn static_strings_may_be_returned() {
        assert!(check("fn f(a: u8) -> Option<&'static str> { None }").is_ok());
    }

    #[test]
    fn unsafe_and_constant_functions_are_functions() {
        assert!(check("const unsafe fn f(a: u8) -> u8 { a }").is_ok());
    }

    #[test]
    fn lifetimes_are_not_generics() {
        assert!(check("fn f<'a>(a: &'a str, b: &'a str) -> usize { 0 }").is_ok());
    }
}
