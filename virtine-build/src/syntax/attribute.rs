//! The grammar of `#[virtine(timeout = "50ms", memory = "8MiB", stack = "256KiB", snapshot = false)]`.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Token};
use virtine_rt::abi::image::Sizes;
use virtine_rt::abi::{PAGE_SIZE, USER_BASE};
use virtine_rt::codec::DEPTH;

use super::allow::{self, Grant, Limit};
use crate::package::Library;

/// What the attribute grants and asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long one call may run; 10 s unless said otherwise.
    pub timeout: Duration,
    /// Bytes of guest memory for stack, arguments and heap together; 16 MiB unless said otherwise. Costs
    /// nothing until it is touched.
    pub memory: u64,
    /// Bytes of stack; 1 MiB unless said otherwise.
    pub stack: u64,
    /// How many levels deep the result, and arguments of host functions, may nest; 1,000 unless said otherwise.
    pub depth: Option<u32>,
    /// Whether calls start from a snapshot taken after the guest's initialisation (the default) or
    /// boot from the image.
    pub snapshot: bool,
    /// What the virtine is called in messages; the function's own name unless said otherwise.
    pub name: Option<String>,
    /// A function that runs once before the snapshot is taken.
    pub init: Option<FunctionPath>,
    /// What the virtine may ask of the host; nothing unless said otherwise.
    pub allow: Vec<Grant>,
    /// How much of it each call may have, where that is not `wasp_core::Policy`'s default.
    pub limits: Vec<Limit>,
    /// Functions of the host's that it may call.
    pub host: Vec<FunctionPath>,
    /// Whether to ask for what is not granted ends the call.
    pub strict: bool,
    /// Whether the guest has the real std instead of the runtime's.
    pub std: bool,
}

/// The path of a function, as the user wrote it.
#[derive(Clone)]
pub struct FunctionPath(pub syn::Path);

impl FunctionPath {
    /// The name that the path ends with.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.0.segments.last().map(|last| last.ident.to_string())
    }
}

/// Without spans: where a path stands makes no other path of it.
impl fmt::Debug for FunctionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_token_stream().to_string())
    }
}

impl PartialEq for FunctionPath {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for FunctionPath {}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            memory: 16 << 20,
            stack: 1 << 20,
            depth: None,
            snapshot: true,
            name: None,
            init: None,
            allow: Vec::new(),
            limits: Vec::new(),
            host: Vec::new(),
            strict: false,
            std: false,
        }
    }
}

const MEMORY_MAX: u64 = 4 << 30;
const MEMORY_MIN: u64 = 64 << 10;
const STACK_MIN: u64 = PAGE_SIZE;
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const DEPTH_MAX: u32 = 10_000_000;
const KNOWN: &str = "known keys are `timeout`, `memory`, `stack`, `depth`, `snapshot`, `init`, `name`, \
     `allow`, `limits`, `host`, `strict` and `std`";

impl Settings {
    /// How many levels deep values may nest.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depth.unwrap_or(DEPTH)
    }

    /// What the function's guests are granted.
    #[must_use]
    pub const fn sizes(&self) -> Sizes {
        let Self { memory, stack, .. } = *self;
        Sizes { memory, stack }
    }

    /// Reads the tokens between the attribute's parentheses.
    ///
    /// # Errors
    ///
    /// All that is wrong with them, each on its own token.
    pub fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let pairs = Punctuated::<Pair, Token![,]>::parse_terminated.parse2(tokens)?;
        let mut settings = Self::default();
        let mut seen: Vec<&Ident> = Vec::new();
        let mut errors = Errors::default();
        for pair in &pairs {
            if seen.contains(&&pair.key) {
                errors.push(syn::Error::new(
                    pair.key.span(),
                    format!("`{}` is given twice", pair.key),
                ));
            }
            seen.push(&pair.key);
            errors.take(settings.set(pair));
        }
        if let Some(pair) = pairs.iter().find(|pair| pair.key == "stack") {
            errors.take(settings.check_stack(pair));
        }
        if let Some(pair) = pairs.iter().find(|pair| pair.key == "snapshot")
            && settings.std
            && !settings.snapshot
        {
            let message = "a virtine with the real std always starts from a snapshot";
            errors.push(syn::Error::new(pair.key.span(), message));
        }
        errors.finish().map(|()| settings)
    }

    /// What the guest has for `std`.
    pub(crate) const fn library(&self) -> Library {
        match self.std {
            true => Library::Std,
            false => Library::Facade,
        }
    }

    fn set(&mut self, pair: &Pair) -> syn::Result<()> {
        match pair.key.to_string().as_str() {
            "timeout" => self.timeout = pair.duration()?,
            "memory" => self.memory = pair.size(MEMORY_MIN..=MEMORY_MAX)?,
            "stack" => self.stack = pair.size(STACK_MIN..=MEMORY_MAX)?,
            "depth" => self.depth = Some(pair.count(1..=DEPTH_MAX)?),
            "snapshot" => self.snapshot = pair.flag()?,
            "name" => self.name = Some(pair.name()?),
            "init" => self.init = Some(pair.function()?),
            "allow" => self.allow = allow::grants(pair.group("allow(stdout)")?)?,
            "limits" => self.limits = allow::limits(pair.group("limits(handles = 4)")?)?,
            "strict" => self.strict = pair.is_given()?,
            "host" => self.host = allow::functions(pair.group("host(lookup)")?)?,
            "std" => self.std = pair.is_given()?,
            other => return Err(pair.unknown(&format!("unknown key `{other}`; {KNOWN}"))),
        }
        Ok(())
    }

    fn check_stack(&self, pair: &Pair) -> syn::Result<()> {
        if self.stack < self.memory {
            return Ok(());
        }
        let message = format!(
            "expected a stack smaller than the memory ({} bytes), found {} bytes",
            self.memory, self.stack
        );
        Err(syn::Error::new(pair.key.span(), message))
    }
}

/// Collects errors, so that all are reported at once.
#[derive(Default)]
pub(super) struct Errors(Option<syn::Error>);

impl Errors {
    pub(super) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn take(&mut self, result: syn::Result<()>) {
        if let Err(error) = result {
            self.push(error);
        }
    }

    pub(super) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// `key = value`, `key(..)`, or a key alone.
struct Pair {
    key: Ident,
    value: Option<Expr>,
    group: Option<TokenStream>,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.parse()?;
        if input.peek(syn::token::Paren) {
            let group: proc_macro2::Group = input.parse()?;
            return Ok(Self {
                key,
                value: None,
                group: Some(group.stream()),
            });
        }
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Self {
            key,
            value,
            group: None,
        })
    }
}

impl Pair {
    fn unknown(&self, message: &str) -> syn::Error {
        syn::Error::new(self.key.span(), message)
    }

    fn text(&self, example: &str) -> syn::Result<&LitStr> {
        match &self.value {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            })) => Ok(text),
            Some(other) => Err(syn::Error::new_spanned(
                other,
                format!("expected a string, as in `{} = \"{example}\"`", self.key),
            )),
            None => Err(self.unknown(&format!("expected `{} = \"{example}\"`", self.key))),
        }
    }

    fn group(&self, example: &str) -> syn::Result<TokenStream> {
        let group = self.group.clone();
        group.ok_or_else(|| self.unknown(&format!("expected `{example}`")))
    }

    /// A key that says enough alone.
    fn is_given(&self) -> syn::Result<bool> {
        match (&self.value, &self.group) {
            (None, None) => Ok(true),
            _ => self.flag(),
        }
    }

    fn name(&self) -> syn::Result<String> {
        let text = self.text("parser")?;
        let name = text.value();
        match name.trim().is_empty() {
            true => Err(syn::Error::new(text.span(), "expected a name, found none")),
            false => Ok(name),
        }
    }

    fn function(&self) -> syn::Result<FunctionPath> {
        match &self.value {
            Some(Expr::Path(path)) if path.qself.is_none() => Ok(FunctionPath(path.path.clone())),
            Some(other) => Err(syn::Error::new_spanned(
                other,
                "expected the path of a function, as in `init = load_tables`",
            )),
            None => Err(self.unknown("expected `init = function`")),
        }
    }

    fn flag(&self) -> syn::Result<bool> {
        match &self.value {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Bool(flag),
                ..
            })) => Ok(flag.value),
            Some(other) => Err(syn::Error::new_spanned(other, "expected `true` or `false`")),
            None => Err(self.unknown(&format!("expected `{} = true` or `{0} = false`", self.key))),
        }
    }

    fn count(&self, allowed: RangeInclusive<u32>) -> syn::Result<u32> {
        let expected = || {
            format!(
                "expected a number from {} to {}",
                allowed.start(),
                allowed.end()
            )
        };
        match &self.value {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Int(number),
                ..
            })) => match number.base10_parse() {
                Ok(count) if number.suffix().is_empty() && allowed.contains(&count) => Ok(count),
                _ => Err(syn::Error::new(number.span(), expected())),
            },
            Some(other) => Err(syn::Error::new_spanned(
                other,
                format!("{}, as in `{} = 100_000`", expected(), self.key),
            )),
            None => Err(self.unknown(&format!("expected `{} = 100_000`", self.key))),
        }
    }

    fn duration(&self) -> syn::Result<Duration> {
        let text = self.text("50ms")?;
        let value = text.value();
        let (number, unit) = split(&value);
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

    fn size(&self, allowed: RangeInclusive<u64>) -> syn::Result<u64> {
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

/// `"8MiB"` as a number.
pub(super) fn bytes(text: &LitStr) -> syn::Result<u64> {
    let value = text.value();
    let (number, unit) = split(&value);
    let factor: Option<u64> = match unit {
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .ok_or_else(|| {
            let message = "expected a whole number and one of KiB, MiB, GiB, found";
            syn::Error::new(text.span(), format!("{message} \"{value}\""))
        })
}

/// `"50 ms"` -> (50, `"ms"`).
fn split(text: &str) -> (Option<u64>, &str) {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number.parse().ok(), unit.trim())
}

/// The guest's memory ends below the reach of its page tables.
const _: () = assert!(USER_BASE + MEMORY_MAX <= virtine_rt::abi::USER_LIMIT);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, Vec<String>> {
        let tokens = text.parse().expect("tokens");
        Settings::parse(tokens)
            .map_err(|error| error.into_iter().map(|one| one.to_string()).collect())
    }

    #[test]
    fn nothing_gives_the_documented_defaults() {
        let settings = parse("").expect("valid");
        assert_eq!(settings.timeout, Duration::from_secs(10));
        assert_eq!((settings.memory, settings.stack), (16 << 20, 1 << 20));
        assert!(settings.snapshot);
    }

    #[test]
    fn every_key_is_read() {
        let settings = parse(
            r#"timeout = "50ms", memory = "8MiB", stack = "256KiB", depth = 100_000, snapshot = false, name = "n", init = tables::load, allow(stdout, read("a")), limits(handles = 4), host(db::audit), strict"#,
        );
        let expected = Settings {
            timeout: Duration::from_millis(50),
            memory: 8 << 20,
            stack: 256 << 10,
            depth: Some(100_000),
            snapshot: false,
            name: Some("n".to_owned()),
            init: Some(FunctionPath(syn::parse_quote!(tables::load))),
            allow: vec![
                Grant {
                    method: "stdout",
                    arguments: Vec::new(),
                },
                Grant {
                    method: "read",
                    arguments: vec!["a".to_owned()],
                },
            ],
            limits: vec![Limit {
                quota: "Handles",
                most: 4,
            }],
            host: vec![FunctionPath(syn::parse_quote!(db::audit))],
            strict: true,
            std: false,
        };
        assert_eq!(settings, Ok(expected));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let errors = parse(r#"timeout = "soon", memory = 8, colour = "red", snapshot"#)
            .expect_err("invalid");
        assert_eq!(errors.len(), 4, "{errors:?}");
    }

    #[test]
    fn impossible_values_are_refused() {
        for text in [
            r#"timeout = "0ms""#,
            r#"timeout = "99999999999999999999s""#,
            r#"memory = "5GiB""#,
            r#"memory = "1KiB""#,
            r#"stack = "5KiB""#,
            r#"memory = "1MiB", stack = "1MiB""#,
            r#"memory = "1MiB", memory = "1MiB""#,
            r#"name = " ""#,
            r#"name = parser"#,
            r#"init = "load""#,
            r#"init = load()"#,
            r#"init"#,
            r#"allow"#,
            r#"strict = 3"#,
            r#"strict(yes)"#,
            r#"depth"#,
            r#"depth = 0"#,
            r#"depth = -1"#,
            r#"depth = "1000""#,
            r#"depth = 5u64"#,
            r#"depth = 4294967296"#,
            r#"depth(3)"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
