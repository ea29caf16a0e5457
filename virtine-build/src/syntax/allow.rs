//! The grammar of `allow(stdout, env("NAME"), read("dir"))`, `limits(handles = 4, output = "1MiB")` and
//! `host(lookup)`.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Ident, LitInt, LitStr, Path, Token, parenthesized};

use super::parse::{all, bytes};
use super::path::FunctionPath;

/// Something that a virtine may ask of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The method of `wasp_core::Policy` that grants it.
    pub method: &'static str,
    /// The names or paths that are granted; empty if the capability has no scope.
    pub arguments: Vec<String>,
}

/// A limit on what each call may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The variant of `wasp_core::Quota`.
    pub quota: &'static str,
    /// The maximum.
    pub most: u64,
}

/// Capabilities without arguments, and those with names or paths.
const UNSCOPED: [&str; 6] = ["stdin", "stdout", "stderr", "clock", "random", "args"];
const SCOPED: [&str; 3] = ["env", "read", "write"];

/// Each limit, its variant of `wasp_core::Quota`, and whether it counts bytes.
const QUOTAS: [(&str, &str, bool); 5] = [
    ("bytes_read", "BytesRead", true),
    ("bytes_written", "BytesWritten", true),
    ("output", "Output", true),
    ("handles", "Handles", false),
    ("hypercalls", "Hypercalls", false),
];

const KNOWN_CAPABILITIES: &str = "known capabilities are `stdin`, `stdout`, `stderr`, `clock`, `random`, `args`, \
     `env(\"NAME\")`, `read(\"path\")` and `write(\"path\")`";

const KNOWN_LIMITS: &str = "known limits are `bytes_read`, `bytes_written`, `output`, `handles` and \
     `hypercalls`";

/// Parses the arguments of `allow`.
pub(super) fn grants(tokens: TokenStream) -> syn::Result<Vec<Grant>> {
    let capabilities = Punctuated::<NamedCapability, Token![,]>::parse_terminated.parse2(tokens)?;
    all(capabilities.iter().map(NamedCapability::grant))
}

/// Parses the arguments of `limits`.
pub(super) fn limits(tokens: TokenStream) -> syn::Result<Vec<Limit>> {
    let limits = Punctuated::<NamedLimit, Token![,]>::parse_terminated.parse2(tokens)?;
    all(limits.iter().map(NamedLimit::limit))
}

/// Parses the arguments of `host`. Guests identify the functions by the last names of the paths.
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
                "duplicate name: guests identify host functions by the last name of the path",
            )),
            false => Ok(path.clone()),
        }
    });
    all(checked)
}

/// `stdout`, `env("NAME", ..)`
struct NamedCapability {
    name: Ident,
    arguments: Option<Punctuated<LitStr, Token![,]>>,
}

impl Parse for NamedCapability {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        let arguments = match input.peek(syn::token::Paren) {
            true => {
                let inside;
                parenthesized!(inside in input);
                Some(Punctuated::parse_terminated(&inside)?)
            }
            false => None,
        };
        Ok(Self { name, arguments })
    }
}

impl NamedCapability {
    fn grant(&self) -> syn::Result<Grant> {
        let find = |known: &[&'static str]| known.iter().copied().find(|one| self.name == one);
        let grant = |method, arguments| Ok(Grant { method, arguments });
        let name = &self.name;
        match (find(&UNSCOPED), find(&SCOPED), &self.arguments) {
            (Some(method), _, None) => grant(method, Vec::new()),
            (Some(_), _, Some(_)) => Err(self.error(&format!("`{name}` takes no arguments"))),
            (_, Some(method), Some(arguments)) if !arguments.is_empty() => {
                let arguments = arguments.iter().map(checked);
                grant(method, arguments.collect::<syn::Result<_>>()?)
            }
            (_, Some(_), _) => Err(self.error(&format!("expected `{name}(\"...\")`"))),
            (None, None, _) => {
                let message = format!("unknown capability `{name}`; {KNOWN_CAPABILITIES}");
                Err(self.error(&message))
            }
        }
    }

    fn error(&self, message: &str) -> syn::Error {
        syn::Error::new(self.name.span(), message)
    }
}

/// A path or a name. The kernel rejects an empty one, and one with a NUL.
fn checked(text: &LitStr) -> syn::Result<String> {
    let value = text.value();
    match value.is_empty() || value.contains('\0') {
        true => Err(syn::Error::new(
            text.span(),
            "expected a string that is not empty and contains no NUL",
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
        let mut quotas = QUOTAS.iter();
        let Some((_, quota, in_bytes)) = quotas.find(|(name, ..)| self.name == name) else {
            let message = format!("unknown limit `{}`; {KNOWN_LIMITS}", self.name);
            return Err(syn::Error::new(self.name.span(), message));
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
    fn every_capability_is_read() {
        let capabilities = "stdin, stdout, stderr, clock, random, args, env(\"A\", \"B\"), read(\"r\"), write(\"w\")";
        let found = grants(tokens(capabilities)).expect("valid");
        assert_eq!(found.len(), 9);
        let expected = Grant {
            method: "env",
            arguments: vec!["A".to_owned(), "B".to_owned()],
        };
        assert_eq!(found.get(6), Some(&expected));
    }

    #[test]
    fn all_mistakes_are_reported_together() {
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
