//! The grammar of `allow(stdout, env("NAME"), read("dir"))` and of `limits(handles = 4, output = "1MiB")`.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Ident, LitInt, LitStr, Path, Token, parenthesized};

use super::attribute::{Errors, FunctionPath, bytes};

/// Something that a virtine may ask of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The method of `wasp_core::Policy` that grants it.
    pub method: &'static str,
    /// What behind the door is granted: names or paths; empty where there is but one thing.
    pub arguments: Vec<String>,
}

/// How much of something each call may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The variant of `wasp_core::Quota`.
    pub quota: &'static str,
    /// The most of it.
    pub most: u64,
}

const KNOWN_DOORS: &str = "known doors are `stdin`, `stdout`, `stderr`, `clock`, `random`, `args`, \
     `env(\"NAME\")`, `read(\"path\")` and `write(\"path\")`";

const KNOWN_LIMITS: &str = "known limits are `bytes_read`, `bytes_written`, `output`, `handles` and \
     `hypercalls`";

/// What stands between the parentheses of `allow`.
pub(super) fn grants(tokens: TokenStream) -> syn::Result<Vec<Grant>> {
    let doors = Punctuated::<NamedDoor, Token![,]>::parse_terminated.parse2(tokens)?;
    all(doors.iter().map(NamedDoor::grant))
}

/// What stands between the parentheses of `limits`.
pub(super) fn limits(tokens: TokenStream) -> syn::Result<Vec<Limit>> {
    let limits = Punctuated::<NamedLimit, Token![,]>::parse_terminated.parse2(tokens)?;
    all(limits.iter().map(NamedLimit::limit))
}

/// What stands between the parentheses of `host`. Guests know them by their last names.
pub(super) fn functions(tokens: TokenStream) -> syn::Result<Vec<FunctionPath>> {
    let paths = Punctuated::<Path, Token![,]>::parse_terminated.parse2(tokens)?;
    let paths: Vec<FunctionPath> = paths.into_iter().map(FunctionPath).collect();
    let checked = paths.iter().enumerate().map(|(number, path)| {
        let twice = paths[..number]
            .iter()
            .any(|other| other.name() == path.name());
        match twice {
            true => Err(syn::Error::new_spanned(
                &path.0,
                "a function of this name is named twice",
            )),
            false => Ok(path.clone()),
        }
    });
    all(checked)
}

/// All values, or all errors.
fn all<T>(results: impl Iterator<Item = syn::Result<T>>) -> syn::Result<Vec<T>> {
    let mut errors = Errors::default();
    let values = results
        .filter_map(|result| result.map_err(|error| errors.push(error)).ok())
        .collect();
    errors.finish().map(|()| values)
}

/// `stdout`, `env("NAME", ..)`
struct NamedDoor {
    name: Ident,
    arguments: Option<Punctuated<LitStr, Token![,]>>,
}

impl Parse for NamedDoor {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        if !input.peek(syn::token::Paren) {
            return Ok(Self {
                name,
                arguments: None,
            });
        }
        let inside;
        parenthesized!(inside in input);
        let arguments = Punctuated::parse_terminated(&inside)?;
        Ok(Self {
            name,
            arguments: Some(arguments),
        })
    }
}

impl NamedDoor {
    fn grant(&self) -> syn::Result<Grant> {
        let name = self.name.to_string();
        let (method, scoped) = match name.as_str() {
            "stdin" => ("stdin", false),
            "stdout" => ("stdout", false),
            "stderr" => ("stderr", false),
            "clock" => ("clock", false),
            "random" => ("random", false),
            "args" => ("args", false),
            "env" => ("env", true),
            "read" => ("read", true),
            "write" => ("write", true),
            other => return Err(self.error(&format!("unknown door `{other}`; {KNOWN_DOORS}"))),
        };
        match (&self.arguments, scoped) {
            (None, false) => Ok(Grant {
                method,
                arguments: Vec::new(),
            }),
            (Some(_), false) => Err(self.error(&format!("expected `{name}` alone"))),
            (Some(arguments), true) if !arguments.is_empty() => Ok(Grant {
                method,
                arguments: arguments.iter().map(checked).collect::<syn::Result<_>>()?,
            }),
            (_, true) => Err(self.error(&format!("expected `{name}(\"...\")`"))),
        }
    }

    fn error(&self, message: &str) -> syn::Error {
        syn::Error::new(self.name.span(), message)
    }
}

/// A path or a name that the kernel knows.
fn checked(text: &LitStr) -> syn::Result<String> {
    let value = text.value();
    match value.is_empty() || value.contains('\0') {
        true => Err(syn::Error::new(
            text.span(),
            "expected a text that is not empty and has no NUL",
        )),
        false => Ok(value),
    }
}

/// `handles = 4`, `output = "1MiB"`
struct NamedLimit {
    name: Ident,
    value: Value,
}

enum Value {
    Count(LitInt),
    Bytes(LitStr),
}

impl Parse for NamedLimit {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        let value = match input.peek(LitStr) {
            true => Value::Bytes(input.parse()?),
            false => Value::Count(input.parse()?),
        };
        Ok(Self { name, value })
    }
}

impl NamedLimit {
    fn limit(&self) -> syn::Result<Limit> {
        let name = self.name.to_string();
        let (quota, in_bytes) = match name.as_str() {
            "bytes_read" => ("BytesRead", true),
            "bytes_written" => ("BytesWritten", true),
            "output" => ("Output", true),
            "handles" => ("Handles", false),
            "hypercalls" => ("Hypercalls", false),
            other => {
                let message = format!("unknown limit `{other}`; {KNOWN_LIMITS}");
                return Err(syn::Error::new(self.name.span(), message));
            }
        };
        let most = match (&self.value, in_bytes) {
            (Value::Bytes(text), true) => bytes(text)?,
            (Value::Count(number), false) => number.base10_parse()?,
            (_, true) => return Err(self.expected("\"1MiB\"")),
            (_, false) => return Err(self.expected("100")),
        };
        Ok(Limit { quota, most })
    }

    fn expected(&self, example: &str) -> syn::Error {
        let message = format!("expected `{} = {example}`", self.name);
        syn::Error::new(self.name.span(), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> TokenStream {
        text.parse().expect("tokens")
    }

    #[test]
    fn every_door_is_read() {
        let doors = "stdin, stdout, stderr, clock, random, args, env(\"A\", \"B\"), read(\"r\"), write(\"w\")";
        let found = grants(tokens(doors)).expect("valid");
        assert_eq!(found.len(), 9);
        let expected = Grant {
            method: "env",
            arguments: vec!["A".to_owned(), "B".to_owned()],
        };
        assert_eq!(found.get(6), Some(&expected));
    }

    #[test]
    fn mistakes_are_told_at_once() {
        let errors = grants(tokens("stdout(\"a\"), env, read(), net, write(\"\")"));
        assert_eq!(errors.expect_err("invalid").into_iter().count(), 5);
        let errors = limits(tokens("handles = \"1MiB\", output = 3, cpu = 1"));
        assert_eq!(errors.expect_err("invalid").into_iter().count(), 3);
        assert!(functions(tokens("a::f, b::f")).is_err());
    }

    #[test]
    fn limits_are_counts_or_bytes() {
        let found = limits(tokens("handles = 4, output = \"3KiB\"")).expect("valid");
        let most: Vec<u64> = found.iter().map(|limit| limit.most).collect();
        assert_eq!(most, [4, 3 << 10]);
    }
}
