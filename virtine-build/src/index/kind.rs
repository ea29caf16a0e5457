//! Classifies items: their kind, and the names that they define.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::Attribute;

use crate::index::item::Kind;
use crate::index::parts;
use crate::source::mentions;

pub(super) fn attributes(item: &syn::Item) -> &[Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The names that an item defines in its module.
pub(super) fn names(item: &syn::Item) -> Vec<String> {
    match item {
        syn::Item::Macro(item) if item.ident.is_none() => identifiers(item.mac.tokens.clone()),
        syn::Item::Macro(item) => item.ident.iter().map(ToString::to_string).collect(),
        syn::Item::ExternCrate(item) => {
            let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name);
            vec![name.to_string()]
        }
        _ => parts::name(item)
            .map(ToString::to_string)
            .into_iter()
            .collect(),
    }
}

pub(super) fn kind(item: &syn::Item) -> Kind {
    match item {
        syn::Item::Fn(item) => Kind::Function(Box::new(item.clone())),
        syn::Item::Enum(item) => Kind::Enum {
            variants: item
                .variants
                .iter()
                .map(|one| one.ident.to_string())
                .collect(),
        },
        syn::Item::Trait(item) => Kind::Trait {
            members: item.items.iter().filter_map(member).collect(),
        },
        syn::Item::Impl(item) => Kind::Impl {
            subject: mentions::of(item.self_ty.to_token_stream()),
            of_trait: item
                .trait_
                .iter()
                .flat_map(|(path, _)| mentions::of(path.to_token_stream()))
                .collect(),
        },
        syn::Item::Macro(item) if item.ident.is_some() => Kind::Macro {
            defines: defined_in(item.mac.tokens.clone()),
        },
        syn::Item::Macro(item) => Kind::Invocation {
            definition: item
                .mac
                .path
                .segments
                .last()
                .map(|last| last.ident.to_string()),
        },
        _ => Kind::Other,
    }
}

/// The name of a method or a constant of a trait.
fn member(item: &syn::TraitItem) -> Option<String> {
    match item {
        syn::TraitItem::Fn(item) => Some(item.sig.ident.to_string()),
        syn::TraitItem::Const(item) => Some(item.ident.to_string()),
        _ => None,
    }
}

/// All identifiers in these tokens.
fn identifiers(tokens: TokenStream) -> Vec<String> {
    let tokens = tokens.into_iter();
    tokens
        .flat_map(|token| match token {
            TokenTree::Ident(name) => vec![name.to_string()],
            TokenTree::Group(group) => identifiers(group.stream()),
            _ => Vec::new(),
        })
        .collect()
}

/// The items that a macro seems to define: the name after each item keyword.
fn defined_in(tokens: TokenStream) -> Vec<String> {
    const KEYWORDS: [&str; 8] = [
        "fn", "struct", "enum", "static", "const", "type", "trait", "ref",
    ];
    let mut names = Vec::new();
    let mut after_keyword = false;
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                let name = name.to_string();
                let is_keyword = KEYWORDS.contains(&name.as_str());
                // A keyword may follow another one: `const fn`.
                if after_keyword && !is_keyword {
                    names.push(name);
                }
                after_keyword = is_keyword;
            }
            TokenTree::Group(group) => names.extend(defined_in(group.stream())),
            _ => after_keyword = false,
        }
    }
    names
}
