//! What the macro and the build script share: the attribute's grammar, the functions that may have the attribute, and
//! how the guest takes each parameter.

mod allow;
mod attribute;
mod form;
mod function;
mod library;
mod pair;
mod parse;
mod path;

pub use allow::{Grant, Limit};
pub use attribute::Settings;
pub use form::Form;
pub use function::{Function, Parameter, Passing};
pub use library::Library;
pub use path::FunctionPath;
pub use virtine_rt::abi::image::Sizes;

/// Whether an attribute with this path is `#[virtine]`.
#[must_use]
pub fn is_virtine(path: &syn::Path) -> bool {
    path.segments
        .last()
        .is_some_and(|segment| segment.ident == "virtine")
}

/// The tokens between the attribute's parentheses. A bare `#[virtine]` has none.
///
/// # Errors
///
/// If the attribute has another form: `#[virtine = ..]`.
pub fn arguments(attribute: &syn::Meta) -> syn::Result<proc_macro2::TokenStream> {
    match attribute {
        syn::Meta::Path(_) => Ok(proc_macro2::TokenStream::new()),
        syn::Meta::List(list) => Ok(list.tokens.clone()),
        syn::Meta::NameValue(pair) => Err(syn::Error::new_spanned(
            pair,
            "expected `#[virtine]` or `#[virtine(key = value)]`",
        )),
    }
}
