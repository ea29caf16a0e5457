//! The files that `include!`, `include_str!` and `include_bytes!` name.

use std::env;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Lit, Token};

const MACROS: [&str; 3] = ["include", "include_str", "include_bytes"];

/// The included files that exist. The compiler reports missing ones. Paths are relative to `from`, the file that
/// includes them.
pub(crate) fn files(tokens: TokenStream, from: &Path) -> Vec<PathBuf> {
    let mut arguments = Vec::new();
    collect(tokens, &mut arguments);
    let files = arguments.into_iter();
    files.filter_map(|argument| file(argument, from)).collect()
}

/// The file that the argument of such a macro names.
pub(crate) fn file(argument: TokenStream, from: &Path) -> Option<PathBuf> {
    let folder = from.parent().unwrap_or(Path::new(""));
    let file = folder.join(text(&syn::parse2(argument).ok()?)?);
    file.is_file().then_some(file)
}

/// The arguments of these macros.
fn collect(tokens: TokenStream, found: &mut Vec<TokenStream>) {
    let mut before = [None, None];
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            match &before {
                [Some(TokenTree::Ident(name)), Some(TokenTree::Punct(mark))]
                    if mark.as_char() == '!' && MACROS.iter().any(|known| name == known) =>
                {
                    found.push(group.stream());
                }
                _ => collect(group.stream(), found),
            }
        }
        let [_, last] = before;
        before = [last, Some(token)];
    }
}

/// The value of a constant text: a literal, `concat!` or `env!`.
fn text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        Expr::Group(group) => text(&group.expr),
        Expr::Paren(paren) => text(&paren.expr),
        Expr::Macro(call) => {
            let parse = Punctuated::<Expr, Token![,]>::parse_terminated;
            let parts = parse.parse2(call.mac.tokens.clone()).ok()?;
            let mut parts = parts.iter().map(text);
            match call.mac.path.segments.last()?.ident.to_string().as_str() {
                "concat" => parts.collect(),
                "env" => env::var(parts.next()??).ok(),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<Option<String>> {
        let mut arguments = Vec::new();
        collect(source.parse().expect("tokens"), &mut arguments);
        let parsed = arguments.into_iter().map(syn::parse2);
        parsed
            .map(|one| text(&one.expect("an expression")))
            .collect()
    }

    #[test]
    fn constant_texts_are_evaluated() {
        let source = r#"f(include_str!("a.txt"), include_bytes!(concat!("b", ".c")), str!("c"));
            include!(concat!(env!("CARGO_MANIFEST_DIR"), "/d")); include!(path)"#;
        let folder = env!("CARGO_MANIFEST_DIR");
        let expected = [
            Some("a.txt".to_owned()),
            Some("b.c".to_owned()),
            Some(format!("{folder}/d")),
            None,
        ];
        assert_eq!(found(source), expected);
    }
}
