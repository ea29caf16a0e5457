//! What of an item can be taken out of a guest by itself.
//!
//! The slice keeps too much rather than too little, and some of that may not compile in a guest. What
//! the compiler complains of is taken out, the smallest part first: a derive, an attribute, a
//! function's body, a method, the whole item. See `prune`.

use std::ops::Range;

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Token};

/// One such part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) bytes: Range<usize>,
    pub(crate) kind: PartKind,
    /// As an error's path of reachability names it: `helper`, `Type::method`.
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// A function's body: a stub takes its place, so that what names the function still compiles.
    Body,
    /// Leaves nothing behind.
    Whole,
}

/// All parts of an item, itself included.
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

fn name_of(item: &syn::Item) -> String {
    match item {
        syn::Item::Const(item) => item.ident.to_string(),
        syn::Item::Enum(item) => item.ident.to_string(),
        syn::Item::Fn(item) => item.sig.ident.to_string(),
        syn::Item::Impl(item) => item.self_ty.to_token_stream().to_string(),
        syn::Item::Macro(item) => item.mac.path.to_token_stream().to_string(),
        syn::Item::Static(item) => item.ident.to_string(),
        syn::Item::Struct(item) => item.ident.to_string(),
        syn::Item::Trait(item) => item.ident.to_string(),
        syn::Item::Type(item) => item.ident.to_string(),
        syn::Item::Union(item) => item.ident.to_string(),
        _ => String::new(),
    }
}

struct Finder {
    parts: Vec<Part>,
    /// Of what the walk is in, from outside in.
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

/// What stands inside bodies goes with them; only attributes are looked for there as well.
impl<'ast> Visit<'ast> for Finder {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        // Functions inside functions go with the outer one's body.
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
