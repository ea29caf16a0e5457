//! The paths that a piece of source mentions, read from its tokens.
//!
//! Tokens cover macro arguments, attributes and types alike. Every run of `name::name::..` is a mention. A false one (a
//! local variable, a field) resolves to nothing, or keeps an extra item, which the linker drops.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One path, as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mention {
    /// `crate`, `self` and `super` included.
    pub(crate) path: Vec<String>,
    /// `path::*`
    pub(crate) glob: bool,
}

/// Every name after a `.` or a `::`. Each may be the name of a method.
pub(crate) fn members(tokens: TokenStream) -> BTreeSet<String> {
    let mut members = BTreeSet::new();
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(name)
                if at > 0 && (is_punct(&tokens, at - 1, '.') || is_punct(&tokens, at - 1, ':')) =>
            {
                members.insert(name.to_string());
            }
            TokenTree::Group(group) => members.extend(self::members(group.stream())),
            _ => {}
        }
    }
    members
}

/// Every path mentioned in `tokens`, sorted and without duplicates.
pub(crate) fn of(tokens: TokenStream) -> Vec<Mention> {
    let mut mentions = Vec::new();
    scan(tokens, &[], &mut mentions);
    mentions.sort();
    mentions.dedup();
    mentions
}

fn scan(tokens: TokenStream, prefix: &[String], found: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(_)
                if follows_field_dot(&tokens, at) || follows_generics(&tokens, at) =>
            {
                at += 1
            }
            TokenTree::Ident(_) => at = path(&tokens, at, prefix, found),
            TokenTree::Group(group) => {
                if at > 0 && is_punct(&tokens, at - 1, '#') {
                    attribute_texts(group.stream(), found);
                }
                // A group inside `use a::{..}` keeps the prefix `a`.
                scan(group.stream(), prefix, found);
                at += 1;
            }
            TokenTree::Literal(literal) => {
                found.extend(inline_format_arguments(&literal.to_string()));
                at += 1;
            }
            TokenTree::Punct(_) => at += 1,
        }
    }
}

/// The paths in the strings of an attribute, as in `#[serde(default = "start", with = "dates")]`. For a module like
/// `dates`, the functions that serde calls in it are mentioned too.
fn attribute_texts(attribute: TokenStream, found: &mut Vec<Mention>) {
    for token in attribute {
        match token {
            TokenTree::Ident(name) if name == "doc" => return,
            TokenTree::Group(group) => attribute_texts(group.stream(), found),
            TokenTree::Literal(literal) => {
                let text = syn::parse_str::<syn::LitStr>(&literal.to_string());
                let Some(Ok(tokens)) = text.ok().map(|text| text.value().parse()) else {
                    continue;
                };
                for Mention { path, glob } in of(tokens) {
                    let functions = ["serialize", "deserialize"];
                    found.extend(functions.map(|function| Mention {
                        path: [&path[..], &[function.to_owned()]].concat(),
                        glob: false,
                    }));
                    found.push(Mention { path, glob });
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Reads the path that starts at `at`. Returns its end.
fn path(tokens: &[TokenTree], mut at: usize, prefix: &[String], found: &mut Vec<Mention>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        path.push(name.to_string());
        at += 1;
        if !is_separator(tokens, at) {
            break;
        }
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(_)) => at += 2,
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                scan(group.stream(), &path, found);
                return at + 3;
            }
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
                found.push(Mention { path, glob: true });
                return at + 3;
            }
            _ => break,
        }
    }
    found.push(Mention { path, glob: false });
    at
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens, at, ':') && is_punct(tokens, at + 1, ':')
}

fn is_punct(tokens: &[TokenTree], at: usize, wanted: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// `value.name`, but not `first..last`.
fn follows_field_dot(tokens: &[TokenTree], at: usize) -> bool {
    let dot = |back: usize| {
        at.checked_sub(back)
            .is_some_and(|at| is_punct(tokens, at, '.'))
    };
    dot(1) && !dot(2)
}

/// `Type::<T>::name`: the part before the generics was read already.
fn follows_generics(tokens: &[TokenTree], at: usize) -> bool {
    at >= 3 && is_separator(tokens, at - 2) && is_punct(tokens, at - 3, '>')
}

/// `"{MAX}"` mentions `MAX`. Here `"{{MAX}}"` does too, though it names nothing. This keeps an extra item.
fn inline_format_arguments(literal: &str) -> Vec<Mention> {
    let mut parts = literal.split('{');
    parts.next();
    parts
        .filter_map(|part| {
            let end = part
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            let is_argument = rest.starts_with(['}', ':']) && !name.is_empty();
            is_argument.then(|| Mention {
                path: vec![name.to_owned()],
                glob: false,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentioned(source: &str) -> Vec<String> {
        of(source.parse().expect("tokens"))
            .into_iter()
            .map(|mention| mention.path.join("::") + if mention.glob { "::*" } else { "" })
            .collect()
    }

    #[test]
    fn paths_are_whole_and_fields_are_not_mentions() {
        assert_eq!(
            mentioned("a::b::c(x.field, y.method())"),
            ["a::b::c", "x", "y"]
        );
        assert_eq!(mentioned("0..LAST"), ["LAST"]);
    }

    #[test]
    fn members_follow_a_dot_or_a_path() {
        let tokens = "a.b(c::d(e), f.g)".parse().expect("tokens");
        assert_eq!(members(tokens).into_iter().collect::<String>(), "bdg");
    }

    #[test]
    fn generics_do_not_hide_what_follows() {
        assert_eq!(
            mentioned("Map::<Key, Value>::new()"),
            ["Key", "Map", "Value"]
        );
    }

    #[test]
    fn macro_arguments_and_inline_arguments_count() {
        assert_eq!(
            mentioned(r#"format!("{MAX} {x:>3} {}", helper(1))"#),
            ["MAX", "format", "helper", "x"]
        );
    }

    #[test]
    fn texts_of_attributes_count_but_not_documentation() {
        let source = r#"
            #[doc = "words of the documentation"]
            #[serde(default = "start", skip_serializing_if = "crate::is_zero")]
            field: u8
        "#;
        let found = mentioned(source);
        for expected in ["start", "crate::is_zero", "start::serialize"] {
            assert!(found.iter().any(|path| path == expected), "{found:?}");
        }
        assert!(!found.iter().any(|path| path == "words"), "{found:?}");
    }

    #[test]
    fn imports_inside_a_body_are_spelled_out() {
        assert_eq!(
            mentioned("use super::m::{a, b as c, d::*};"),
            [
                "super::m::a",
                "super::m::as",
                "super::m::b",
                "super::m::c",
                "super::m::d::*",
                "use"
            ]
        );
    }
}
