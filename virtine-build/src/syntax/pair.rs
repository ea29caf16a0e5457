//! One entry of the attribute, and its possible values.

use std::ops::RangeInclusive;
use std::time::Duration;

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Token};
use virtine_rt::abi::PAGE_SIZE;

use super::parse::{bytes, number_and_unit};
use super::path::FunctionPath;

const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// `key = value`, `key(..)`, or only a key.
pub(super) struct Pair {
    pub(super) key: Ident,
    value: Option<Expr>,
    group: Option<TokenStream>,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.parse()?;
        let mut pair = Self {
            key,
            value: None,
            group: None,
        };
        if input.peek(syn::token::Paren) {
            pair.group = Some(input.parse::<proc_macro2::Group>()?.stream());
        } else if input.parse::<Option<Token![=]>>()?.is_some() {
            pair.value = Some(input.parse()?);
        }
        Ok(pair)
    }
}

impl Pair {
    /// An error at the key.
    pub(super) fn error(&self, message: &str) -> syn::Error {
        syn::Error::new(self.key.span(), message)
    }

    /// An error at the value or, without a value, at the key. `example` is an example of a valid value.
    fn expected(&self, expected: &str, example: &str) -> syn::Error {
        let key = &self.key;
        match &self.value {
            Some(value) => {
                let message = format!("expected {expected}, as in `{key} = {example}`");
                syn::Error::new_spanned(value, message)
            }
            None => self.error(&format!("expected `{key} = {example}`")),
        }
    }

    fn text(&self, example: &str) -> syn::Result<&LitStr> {
        match &self.value {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            })) => Ok(text),
            _ => Err(self.expected("a string", &format!("\"{example}\""))),
        }
    }

    pub(super) fn group(&self, example: &str) -> syn::Result<TokenStream> {
        let group = self.group.clone();
        group.ok_or_else(|| self.error(&format!("expected `{example}`")))
    }

    /// A key that needs no value.
    pub(super) fn is_given(&self) -> syn::Result<bool> {
        match (&self.value, &self.group) {
            (None, None) => Ok(true),
            _ => self.flag(),
        }
    }

    pub(super) fn name(&self) -> syn::Result<String> {
        let text = self.text("parser")?;
        let name = text.value();
        match name.trim().is_empty() {
            true => Err(syn::Error::new(
                text.span(),
                "expected a name, found an empty string",
            )),
            false => Ok(name),
        }
    }

    /// The variant of `wasp_core::Backend` that is named.
    pub(super) fn backend(&self) -> syn::Result<&'static str> {
        let text = self.text("kvm")?;
        match text.value().as_str() {
            "kvm" => Ok("Kvm"),
            "process" => Ok("Process"),
            other => Err(syn::Error::new(
                text.span(),
                format!("expected \"kvm\" or \"process\", found \"{other}\""),
            )),
        }
    }

    pub(super) fn function(&self) -> syn::Result<FunctionPath> {
        match &self.value {
            Some(Expr::Path(path)) if path.qself.is_none() => Ok(FunctionPath(path.path.clone())),
            _ => Err(self.expected("the path of a function", "load_tables")),
        }
    }

    pub(super) fn flag(&self) -> syn::Result<bool> {
        match &self.value {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Bool(flag),
                ..
            })) => Ok(flag.value),
            _ => Err(self.expected("`true` or `false`", "false")),
        }
    }

    pub(super) fn count(&self, allowed: RangeInclusive<u32>) -> syn::Result<u32> {
        let expected = format!("a number from {} to {}", allowed.start(), allowed.end());
        match &self.value {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Int(number),
                ..
            })) => match number.base10_parse() {
                Ok(count) if number.suffix().is_empty() && allowed.contains(&count) => Ok(count),
                _ => Err(syn::Error::new(
                    number.span(),
                    format!("expected {expected}"),
                )),
            },
            _ => Err(self.expected(&expected, "100_000")),
        }
    }

    pub(super) fn duration(&self) -> syn::Result<Duration> {
        let text = self.text("50ms")?;
        let value = text.value();
        let (number, unit) = number_and_unit(&value);
        let nanoseconds: Option<u64> = match unit {
            "us" => Some(1_000),
            "ms" => Some(1_000_000),
            "s" => Some(1_000_000_000),
            "min" => Some(60_000_000_000),
            _ => None,
        };
        let duration = number
            .zip(nanoseconds)
            .and_then(|(number, unit)| number.checked_mul(unit))
            .map(Duration::from_nanos);
        match duration {
            Some(duration) if !duration.is_zero() && duration <= TIMEOUT_MAX => Ok(duration),
            Some(_) => Err(syn::Error::new(
                text.span(),
                "expected a timeout from 1us to 1440min",
            )),
            None => Err(syn::Error::new(
                text.span(),
                format!("expected a whole number and one of us, ms, s, min, found \"{value}\""),
            )),
        }
    }

    pub(super) fn size(&self, allowed: RangeInclusive<u64>) -> syn::Result<u64> {
        let text = self.text("8MiB")?;
        match bytes(text)? {
            bytes if !allowed.contains(&bytes) => Err(syn::Error::new(
                text.span(),
                format!(
                    "expected {} to {} bytes, found {bytes}",
                    allowed.start(),
                    allowed.end()
                ),
            )),
            bytes if !bytes.is_multiple_of(PAGE_SIZE) => Err(syn::Error::new(
                text.span(),
                format!("expected a multiple of {PAGE_SIZE} bytes, found {bytes}"),
            )),
            bytes => Ok(bytes),
        }
    }
}
