//! What an item is, and what names it brings.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::Attribute;

use crate::index::Kind;
use crate::mentions;

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

pub(super) fn classify(item: &syn::Item) -> (Vec<String>, Kind) {
    let named = |name: &syn::Ident, kind| (vec![name.to_string()], kind);
    match item {
        syn::Item::Fn(item) => named(&item.sig.ident, Kind::Function(Box::new(item.clone()))),
        syn::Item::Enum(item) => {
            let variants = item
                .variants
                .iter()
                .map(|variant| variant.ident.to_string())
                .collect();
            named(&item.ident, Kind::Enum { variants })
        }
        syn::Item::Trait(item) => {
            let members = item.items.iter().filter_map(|item| match item {
                syn::TraitItem::Fn(item) => Some(item.sig.ident.to_string()),
                syn::TraitItem::Const(item) => Some(item.ident.to_string()),
                _ => None,
            });
            let members = members.collect();
            named(&item.ident, Kind::Trait { members })
        }
        syn::Item::Impl(item) => {
            let subject = mentions::of(item.self_ty.to_token_stream());
            let of_trait = item
                .trait_
                .as_ref()
                .map(|(path, _)| mentions::of(path.to_token_stream()));
            (
                Vec::new(),
                Kind::Impl {
                    subject,
                    of_trait: of_trait.unwrap_or_default(),
                },
            )
        }
        syn::Item::Macro(item) => match &item.ident {
            Some(name) => {
                let defines = defined_in(item.mac.tokens.clone());
                named(name, Kind::Macro { defines })
            }
            None => {
                let mut names = Vec::new();
                every_name(item.mac.tokens.clone(), &mut names);
                let definition = item.mac.path.segments.last();
                let definition = definition.map(|last| last.ident.to_string());
                (names, Kind::Invocation { definition })
            }
        },
        syn::Item::Const(item) => named(&item.ident, Kind::Other),
        syn::Item::Static(item) => named(&item.ident, Kind::Other),
        syn::Item::Struct(item) => named(&item.ident, Kind::Other),
        syn::Item::Union(item) => named(&item.ident, Kind::Other),
        syn::Item::Type(item) => named(&item.ident, Kind::Other),
        syn::Item::ExternCrate(item) => {
            let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name);
            named(name, Kind::Other)
        }
        _ => (Vec::new(), Kind::Other),
    }
}

fn every_name(tokens: TokenStream, names: &mut Vec<String>) {
    for token in tokens {
        match token {
            proc_macro2::TokenTree::Ident(name) => names.push(name.to_string()),
            proc_macro2::TokenTree::Group(group) => every_name(group.stream(), names),
            _ => {}
        }
    }
}

/// What a macro's definition seems to define: the name behind each item keyword.
fn defined_in(tokens: TokenStream) -> Vec<String> {
    const KEYWORDS: [&str; 8] = [
        "fn", "struct", "enum", "static", "const", "type", "trait", "ref",
    ];
    let mut names = Vec::new();
    let mut after_keyword = false;
    for token in tokens {
        match token {
            proc_macro2::TokenTree::Ident(name) => {
                let name = name.to_string();
                match KEYWORDS.contains(&name.as_str()) {
                    true => after_keyword = true,
                    false if after_keyword => {
                        names.push(name);
                        after_keyword = false;
                    }
                    false => {}
                }
            }
            proc_macro2::TokenTree::Group(group) => names.extend(defined_in(group.stream())),
            _ => after_keyword = false,
        }
    }
    names
}
