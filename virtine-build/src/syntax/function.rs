//! Which functions can be virtines, and how each parameter travels.

use quote::ToTokens;
use syn::spanned::Spanned as _;
use syn::{FnArg, GenericParam, Ident, ItemFn, Pat, PatType, ReturnType, Type, TypeReference};

/// A function that can be a virtine.
#[derive(Clone)]
pub struct Function {
    /// The parameters, in order.
    pub parameters: Vec<Parameter>,
    /// How the result travels: as [`Passing::Value`], [`Passing::Array`] or [`Passing::Ordering`].
    pub result: Passing,
    /// Whether the result holds a `&'static str`, which the host has in the image as well.
    pub returns_static: bool,
}

/// One parameter of a virtine.
#[derive(Clone)]
pub struct Parameter {
    /// The name by which the host's stub knows it: the user's own where the pattern is a plain name.
    pub name: Ident,
    /// The type, as written.
    pub ty: Type,
    /// How it travels.
    pub passing: Passing,
}

/// How a parameter travels, as far as its type tells without resolving names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// `T`, `&str`: encoded by serde, decoded as written.
    Value,
    /// `&[u8]`: one copy in, borrowed from there.
    Bytes,
    /// `&T`: encoded by serde, decoded by value, passed by reference.
    Reference,
    /// `&[T]`: as `&T`, by way of a `Vec`.
    Slice,
    /// `&mut T`: as `&T`, and back where the call succeeds.
    Mutable,
    /// `&mut [T]`: as `&[T]`, and back where the call succeeds.
    MutableSlice,
    /// `[T; N]`, of any length.
    Array,
    /// `&[T; N]`, of any length.
    ArrayReference,
    /// `&mut [T; N]`, of any length.
    MutableArray,
    /// `std::cmp::Ordering`.
    Ordering,
    /// `File`, `TcpStream`, `UnixStream`: handed over to the call.
    Handle,
    /// `&mut File` and so on: lent to the call.
    MutableHandle,
    /// `std::io::Result<T>`, as a result.
    IoResult,
}

impl Passing {
    /// Its name among the guest's macros.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Value | Self::Bytes => "value",
            Self::Reference => "reference",
            Self::Slice => "slice",
            Self::Mutable => "mutable",
            Self::MutableSlice => "mutable_slice",
            Self::Array => "array",
            Self::ArrayReference => "array_reference",
            Self::MutableArray => "mutable_array",
            Self::Ordering => "ordering",
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
    /// All reasons why it cannot, each on its own token.
    pub fn check(function: &ItemFn) -> syn::Result<Self> {
        let mut errors = refusals(function);
        let parameters = function
            .sig
            .inputs
            .iter()
            .enumerate()
            .filter_map(|(index, input)| {
                let result = parameter(index, input);
                result.map_err(|error| errors.push(error)).ok()
            });
        let parameters = parameters.collect();
        match errors.into_iter().reduce(|mut all, next| {
            all.combine(next);
            all
        }) {
            Some(error) => Err(error),
            None => Ok(Self {
                parameters,
                result: result(&function.sig.output),
                returns_static: returns_static(&function.sig.output),
            }),
        }
    }
}

fn result(output: &ReturnType) -> Passing {
    match output {
        ReturnType::Type(_, ty) if is_io_result(ty) => Passing::IoResult,
        ReturnType::Type(_, ty) => by_value(ty),
        ReturnType::Default => Passing::Value,
    }
}

/// How a type travels by value: serde has nothing for arrays beyond 32 elements and for orderings.
fn by_value(ty: &Type) -> Passing {
    match ty {
        Type::Array(_) => Passing::Array,
        Type::Path(path) if path.qself.is_none() && is_ordering(&path.path) => Passing::Ordering,
        _ => Passing::Value,
    }
}

/// `Ordering`, `cmp::Ordering`, `std::cmp::Ordering`, but not `atomic::Ordering`.
fn is_ordering(path: &syn::Path) -> bool {
    is_from(path, "cmp", "Ordering")
}

/// `name`, `module::name`, `std::module::name`.
fn is_from(path: &syn::Path, module: &str, name: &str) -> bool {
    let mut names = path.segments.iter().rev().map(|segment| &segment.ident);
    names.next().is_some_and(|last| last == name)
        && names.next().is_none_or(|other| other == module)
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

fn returns_static(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else {
        return false;
    };
    references(ty).iter().any(is_static_text)
}

/// `&'static str`
fn is_static_text(reference: &TypeReference) -> bool {
    let is_static = |lifetime: &syn::Lifetime| lifetime.ident == "static";
    reference.lifetime.as_ref().is_some_and(is_static)
        && reference.mutability.is_none()
        && is_named(&reference.elem, "str")
}

fn refusals(function: &ItemFn) -> Vec<syn::Error> {
    let signature = &function.sig;
    let mut errors = Vec::new();
    let mut refuse = |tokens: &dyn ToTokens, reason: &str| {
        errors.push(syn::Error::new_spanned(tokens, reason));
    };
    if let Some(token) = &signature.asyncness {
        refuse(
            token,
            "a virtine cannot be async: its call ends when the virtual machine exits",
        );
    }
    if let Some(token) = &signature.constness {
        refuse(
            token,
            "a virtine cannot be const: a virtual machine cannot run at compile time",
        );
    }
    if let syn::Safety::Unsafe(token) = &signature.safety {
        refuse(
            token,
            "a virtine cannot be unsafe: its callers share no memory with it",
        );
    }
    if let Some(abi) = &signature.abi {
        refuse(abi, "a virtine cannot have a foreign ABI");
    }
    if let Some(variadic) = &signature.variadic {
        refuse(variadic, "a virtine cannot be variadic");
    }
    for parameter in &signature.generics.params {
        match parameter {
            GenericParam::Lifetime(_) => {}
            GenericParam::Type(_) | GenericParam::Const(_) => refuse(
                parameter,
                "a virtine cannot be generic: its image is compiled once, before it is called; \
                 write one virtine for each type and let them call the generic function",
            ),
        }
    }
    if let ReturnType::Type(_, ty) = &signature.output {
        errors.extend(result_refusal(ty));
    }
    errors
}

fn result_refusal(ty: &Type) -> Option<syn::Error> {
    let refusal = |ty: &Type, reason| Some(syn::Error::new_spanned(ty, reason));
    match ty {
        Type::ImplTrait(_) => refusal(ty, "a virtine's result must have a named type to travel by"),
        _ => {
            let reference = references(ty)
                .into_iter()
                .find(|one| !is_static_text(one))?;
            let reason = "a virtine's result cannot borrow: the memory it would point to is the \
                          virtual machine's; return an owned value, such as String or Vec";
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
    let passing = passing(ty)?;
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
    })
}

fn passing(ty: &Type) -> syn::Result<Passing> {
    let reference = match ty {
        Type::ImplTrait(_) => {
            let reason = "a virtine cannot take `impl Trait`: its image is compiled once, before it is called";
            return Err(syn::Error::new_spanned(ty, reason));
        }
        Type::Paren(inner) => return passing(&inner.elem),
        Type::Group(inner) => return passing(&inner.elem),
        Type::Reference(reference) => reference,
        ty if is_handle(ty) => return Ok(Passing::Handle),
        _ => return Ok(by_value(ty)),
    };
    let is_mutable = reference.mutability.is_some();
    match &*reference.elem {
        Type::TraitObject(_) => {
            let reason = "a virtine cannot take a trait object: its code is the host's";
            Err(syn::Error::new_spanned(&reference.elem, reason))
        }
        Type::Array(_) if is_mutable => Ok(Passing::MutableArray),
        Type::Array(_) => Ok(Passing::ArrayReference),
        Type::Slice(_) if is_mutable => Ok(Passing::MutableSlice),
        Type::Slice(slice) if is_named(&slice.elem, "u8") => Ok(Passing::Bytes),
        Type::Slice(_) => Ok(Passing::Slice),
        elem if is_named(elem, "str") && is_mutable => {
            let reason = "a virtine cannot take `&mut str`: take `&mut String`";
            Err(syn::Error::new_spanned(&reference.elem, reason))
        }
        elem if is_named(elem, "str") => Ok(Passing::Value),
        elem if is_mutable && is_handle(elem) => Ok(Passing::MutableHandle),
        _ if is_mutable => Ok(Passing::Mutable),
        _ => Ok(Passing::Reference),
    }
}

fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident(name))
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
    fn parameters_travel_by_their_type() {
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
            ("h", Passing::Array),
            ("i", Passing::ArrayReference),
            ("j", Passing::MutableArray),
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
    fn results_of_io_are_known_by_their_names() {
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
    fn patterns_get_names_of_their_own() {
        let parameters = check("fn f((a, b): (u8, u8), _: u8) {}").expect("valid");
        assert_eq!(parameters[0].0, "argument0");
        assert_eq!(parameters[1].0, "argument1");
    }

    #[test]
    fn each_refusal_is_told() {
        for (source, count) in [
            ("async fn f() {}", 1),
            ("const fn f() {}", 1),
            ("unsafe fn f() {}", 1),
            ("extern \"C\" fn f() {}", 1),
            ("fn f<T>(t: T) {}", 1),
            ("fn f<const N: usize>() {}", 1),
            ("fn f(&self) {}", 1),
            ("fn f(self, a: impl Copy) {}", 2),
            ("fn f(a: &mut str) {}", 1),
            ("fn f(a: &dyn Copy) {}", 1),
            ("fn f(a: &str) -> &str { a }", 1),
            ("fn f(a: &str) -> Option<&str> { None }", 1),
            ("fn f() -> &'static [u8] { &[] }", 1),
            ("fn f() -> impl Copy { 0 }", 1),
            ("async unsafe fn f<T>(a: &mut T) -> &T { a }", 4),
        ] {
            assert_eq!(check(source).expect_err(source).len(), count, "{source}");
        }
    }

    #[test]
    fn orderings_are_told_by_their_path() {
        let parameters = check("fn f(a: Ordering, b: std::cmp::Ordering, c: atomic::Ordering) {}");
        let passings = parameters
            .expect("valid")
            .into_iter()
            .map(|(_, passing)| passing);
        let expected = [Passing::Ordering, Passing::Ordering, Passing::Value];
        assert_eq!(passings.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn static_texts_may_be_returned() {
        assert!(check("fn f(a: u8) -> Option<&'static str> { None }").is_ok());
    }

    #[test]
    fn lifetimes_are_no_generics() {
        assert!(check("fn f<'a>(a: &'a str, b: &'a str) -> usize { 0 }").is_ok());
    }
}
