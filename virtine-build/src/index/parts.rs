//! The parts of an item that can be removed from a guest separately.
//!
//! A slice tends to contain too much, and some of it may not compile in a guest. The smallest part with an error is
//! removed first: a derive, an attribute, a function's body, a method, the whole item. See `compile::prune`.

use std::ops::Range;

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Token};

/// A part of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) bytes: Range<usize>,
    pub(crate) kind: PartKind,
    /// The name in error messages that explain how it is reached: `helper`, `Type::method`.
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// A function's body. A stub replaces it, so that code which names the function still compiles.
    Body,
    /// Anything else. Nothing replaces it.
    Whole,
}

/// All parts of an item, including the item itself.
pub(crate) fn of(item: &syn::Item) -> Vec<Part> {
    let mut finder = Finder {
        parts: Vec::new(),
        names: Vec::new(),
    };
    finder.names.push(name_of(item));
    finder.add(item.span(), PartKind::Whole);
    finder.visit_item(item);
    finder.parts
}

/// The name of an item in messages.
fn name_of(item: &syn::Item) -> String {
    match item {
        syn::Item::Impl(item) => item.self_ty.to_token_stream().to_string(),
        syn::Item::Macro(item) => item.mac.path.to_token_stream().to_string(),
        _ => name(item).map(ToString::to_string).unwrap_or_default(),
    }
}

/// The identifier of an item.
pub(super) fn name(item: &syn::Item) -> Option<&syn::Ident> {
    match item {
        syn::Item::Const(item) => Some(&item.ident),
        syn::Item::Enum(item) => Some(&item.ident),
        syn::Item::Fn(item) => Some(&item.sig.ident),
        syn::Item::Static(item) => Some(&item.ident),
        syn::Item::Struct(item) => Some(&item.ident),
        syn::Item::Trait(item) => Some(&item.ident),
        syn::Item::Type(item) => Some(&item.ident),
        syn::Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

struct Finder {
    parts: Vec<Part>,
    /// The names of the enclosing items, outermost first.
    names: Vec<String>,
}

impl Finder {
    fn add(&mut self, span: Span, kind: PartKind) {
        self.parts.push(Part {
            bytes: span.byte_range(),
            kind,
            name: self.names.join("::"),
        });
    }

    fn body(&mut self, block: &Block) {
        self.add(block.brace_token.span.join(), PartKind::Body);
    }

    fn member(&mut self, name: &syn::Ident, span: Span, block: Option<&Block>) {
        self.names.push(name.to_string());
        self.add(span, PartKind::Whole);
        if let Some(block) = block {
            self.body(block);
        }
        self.names.pop();
    }
}

/// Everything inside a body is removed with the body. Attributes are the exception.
impl<'ast> Visit<'ast> for Finder {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        // Nested functions are removed with the outer body.
        if self.parts.len() == 1 {
            self.body(&function.block);
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        match item {
            syn::ImplItem::Fn(item) => self.member(&item.sig.ident, item.span(), Some(&item.block)),
            syn::ImplItem::Const(item) => self.member(&item.ident, item.span(), None),
            syn::ImplItem::Type(item) => self.member(&item.ident, item.span(), None),
            _ => {}
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_trait_item(&mut self, item: &'ast syn::TraitItem) {
        match item {
            syn::TraitItem::Fn(item) => {
                self.member(&item.sig.ident, item.span(), item.default.as_ref());
            }
            syn::TraitItem::Const(item) => self.member(&item.ident, item.span(), None),
            syn::TraitItem::Type(item) => self.member(&item.ident, item.span(), None),
            _ => {}
        }
        visit::visit_trait_item(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        self.add(attribute.span(), PartKind::Whole);
        if !attribute.path().is_ident("derive") {
            return;
        }
        let parse = Punctuated::<syn::Path, Token![,]>::parse_terminated;
        let derives = attribute.parse_args_with(parse).unwrap_or_default();
        for pair in derives.pairs() {
            let (path, comma) = pair.into_tuple();
            let end = comma.map_or(path.span(), |comma| comma.span);
            let bytes = path.span().byte_range().start..end.byte_range().end;
            self.parts.push(Part {
                bytes,
                kind: PartKind::Whole,
                name: self.names.join("::"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(source: &str) -> Vec<(&str, PartKind, String)> {
        let file = syn::parse_file(source).expect("Rust");
        let parts = of(&file.items[0]).into_iter();
        parts
            .map(|part| (&source[part.bytes], part.kind, part.name))
            .collect()
    }

    #[test]
    fn function_can_lose_its_body() {
        let found = parts("fn f() -> u8 { fn g() {} 1 }");
        let name = || "f".to_owned();
        let whole = ("fn f() -> u8 { fn g() {} 1 }", PartKind::Whole, name());
        let body = ("{ fn g() {} 1 }", PartKind::Body, name());
        assert_eq!(found, [whole, body]);
    }

    #[test]
    fn impl_can_lose_each_member() {
        let found = parts("impl S { const N: u8 = 1; fn f() {} }");
        let inner = |text, kind, name: &str| (text, kind, name.to_owned());
        assert_eq!(
            found[1..],
            [
                inner("const N: u8 = 1;", PartKind::Whole, "S::N"),
                inner("fn f() {}", PartKind::Whole, "S::f"),
                inner("{}", PartKind::Body, "S::f"),
            ]
        );
    }

    #[test]
    fn type_can_lose_each_derive_and_attribute() {
        let found = parts("#[derive(A, b::B)] struct S { #[c(d)] e: u8 }");
        let texts: Vec<&str> = found[1..].iter().map(|(text, ..)| *text).collect();
        assert_eq!(texts, ["#[derive(A, b::B)]", "A,", "b::B", "#[c(d)]"]);
    }
}
