//! The grammar of `#[virtine(timeout = "50ms", memory = "8MiB", stack = "256KiB", snapshot = false)]`.

use std::time::Duration;

use proc_macro2::TokenStream;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Ident, Token};
use virtine_rt::abi::image::Sizes;
use virtine_rt::abi::{PAGE_SIZE, USER_BASE};
use virtine_rt::codec::DEPTH;

use super::allow::{self, Grant, Limit};
use super::library::Library;
use super::pair::Pair;
use super::parse::Errors;
use super::path::FunctionPath;

/// The settings of one virtine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The time limit of one call; 10 s by default.
    pub timeout: Duration,
    /// Bytes of guest memory for stack, arguments and heap together; 16 MiB by default. Memory costs
    /// nothing until the guest touches it.
    pub memory: u64,
    /// Bytes of stack; 1 MiB by default.
    pub stack: u64,
    /// Bytes of memory that all its machines together may keep between calls; 512 MiB by default.
    pub keep: u64,
    /// The maximum nesting depth of the result and of arguments of host functions; 1,000 by default.
    pub depth: Option<u32>,
    /// Whether calls start from a snapshot of the initialised guest (the default) or boot from the image.
    pub snapshot: bool,
    /// The virtine's name in messages; the function's own name by default.
    pub name: Option<String>,
    /// A function that runs once, before the snapshot.
    pub init: Option<FunctionPath>,
    /// What the virtine may ask of the host; nothing by default.
    pub allow: Vec<Grant>,
    /// Limits of each call that differ from the defaults of `wasp_core::Policy`.
    pub limits: Vec<Limit>,
    /// The host functions that it may call.
    pub host: Vec<FunctionPath>,
    /// Whether a request for something that is not granted ends the call.
    pub strict: bool,
    /// What the guest uses as `std`. `None` leaves it to the build: the facade if the function compiles with it,
    /// otherwise the real std.
    pub library: Option<Library>,
    /// What must hold its guests: a variant of `wasp_core::Backend`; the program's choice by default.
    pub backend: Option<&'static str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            memory: 16 << 20,
            stack: 1 << 20,
            keep: 512 << 20,
            depth: None,
            snapshot: true,
            name: None,
            init: None,
            allow: Vec::new(),
            limits: Vec::new(),
            host: Vec::new(),
            strict: false,
            library: None,
            backend: None,
        }
    }
}

const MEMORY_MAX: u64 = 4 << 30;
const MEMORY_MIN: u64 = 64 << 10;
const KEEP_MAX: u64 = 1 << 40;
const STACK_MIN: u64 = PAGE_SIZE;
const DEPTH_MAX: u32 = 10_000_000;
const KNOWN: &str = "known keys are `timeout`, `memory`, `stack`, `keep`, `depth`, `snapshot`, `init`, `name`, \
     `allow`, `limits`, `host`, `strict`, `core`, `std` and `backend`";

impl Settings {
    /// The maximum nesting depth of values.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depth.unwrap_or(DEPTH)
    }

    /// The memory of the function's guests.
    #[must_use]
    pub const fn sizes(&self) -> Sizes {
        let Self { memory, stack, .. } = *self;
        Sizes { memory, stack }
    }

    /// Reads the tokens between the attribute's parentheses.
    ///
    /// # Errors
    ///
    /// All mistakes in them, each at its own token.
    pub fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let pairs = Punctuated::<Pair, Token![,]>::parse_terminated.parse2(tokens)?;
        let mut settings = Self::default();
        let mut seen: Vec<&Ident> = Vec::new();
        let mut errors = Errors::default();
        for pair in &pairs {
            if seen.contains(&&pair.key) {
                errors.push(pair.error(&format!("duplicate key `{}`", pair.key)));
            }
            seen.push(&pair.key);
            errors.add(settings.set(pair));
        }
        if let Some(pair) = pairs.iter().find(|pair| pair.key == "stack") {
            errors.add(settings.check_stack(pair));
        }
        if let Some(pair) = pairs.iter().find(|pair| pair.key == "snapshot")
            && settings.library == Some(Library::Std)
            && !settings.snapshot
        {
            errors.push(pair.error("a virtine with the real std always starts from a snapshot"));
        }
        if let Some(pair) = pairs.iter().rfind(|pair| is_library(pair))
            && pairs
                .iter()
                .any(|other| is_library(other) && other.key != pair.key)
        {
            errors.push(pair.error("expected one of `core` and `std`"));
        }
        errors.finish().map(|()| settings)
    }

    /// The library that the guest must use. `of_package` is what the package says for functions that do not. Only a
    /// guest with the facade can boot for each call.
    pub(crate) fn pinned(&self, of_package: Option<Library>) -> Option<Library> {
        let unpinned = match self.snapshot {
            true => of_package,
            false => Some(Library::Facade),
        };
        self.library.or(unpinned)
    }

    fn set(&mut self, pair: &Pair) -> syn::Result<()> {
        match pair.key.to_string().as_str() {
            "timeout" => self.timeout = pair.duration()?,
            "memory" => self.memory = pair.size(MEMORY_MIN..=MEMORY_MAX)?,
            "stack" => self.stack = pair.size(STACK_MIN..=MEMORY_MAX)?,
            "keep" => self.keep = pair.size(0..=KEEP_MAX)?,
            "depth" => self.depth = Some(pair.count(1..=DEPTH_MAX)?),
            "snapshot" => self.snapshot = pair.flag()?,
            "name" => self.name = Some(pair.name()?),
            "init" => self.init = Some(pair.function()?),
            "allow" => self.allow = allow::grants(pair.group("allow(stdout)")?)?,
            "limits" => self.limits = allow::limits(pair.group("limits(handles = 4)")?)?,
            "strict" => self.strict = pair.is_given()?,
            "host" => self.host = allow::functions(pair.group("host(lookup)")?)?,
            "core" => self.library = Some(library(!pair.is_given()?)),
            "std" => self.library = Some(library(pair.is_given()?)),
            "backend" => self.backend = Some(pair.backend()?),
            other => return Err(pair.error(&format!("unknown key `{other}`; {KNOWN}"))),
        }
        Ok(())
    }

    fn check_stack(&self, pair: &Pair) -> syn::Result<()> {
        if self.stack < self.memory {
            return Ok(());
        }
        Err(pair.error(&format!(
            "expected a stack smaller than the memory ({} bytes), found {} bytes",
            self.memory, self.stack
        )))
    }
}

fn is_library(pair: &Pair) -> bool {
    Library::of_key(&pair.key.to_string()).is_some()
}

const fn library(is_std: bool) -> Library {
    match is_std {
        true => Library::Std,
        false => Library::Facade,
    }
}

/// The guest's memory must end within the reach of its page tables.
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
    fn no_keys_give_the_documented_defaults() {
        let settings = parse("").expect("valid");
        assert_eq!(settings.timeout, Duration::from_secs(10));
        assert_eq!((settings.memory, settings.stack), (16 << 20, 1 << 20));
        assert!(settings.snapshot);
    }

    #[test]
    fn every_key_is_read() {
        let settings = parse(
            r#"timeout = "50ms", memory = "8MiB", stack = "256KiB", keep = "64MiB", depth = 100_000, snapshot = false, name = "n", init = tables::load, allow(stdout, read("a")), limits(handles = 4), host(db::audit), strict, backend = "kvm""#,
        );
        let expected = Settings {
            timeout: Duration::from_millis(50),
            memory: 8 << 20,
            stack: 256 << 10,
            keep: 64 << 20,
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
            library: None,
            backend: Some("Kvm"),
        };
        assert_eq!(settings, Ok(expected));
    }

    #[test]
    fn library_is_the_functions_then_the_packages_then_open() {
        let library = |text: &str| parse(text).map(|settings| settings.library);
        assert_eq!(library(""), Ok(None));
        assert_eq!(library("std"), Ok(Some(Library::Std)));
        assert_eq!(library("core"), Ok(Some(Library::Facade)));
        assert_eq!(library("std = false"), Ok(Some(Library::Facade)));
        assert!(library("core, std").is_err() && library("std, snapshot = false").is_err());
        let of_package = Some(Library::Std);
        let pinned = |text: &str| parse(text).map(|settings| settings.pinned(of_package));
        assert_eq!(pinned(""), Ok(of_package));
        assert_eq!(pinned("core"), Ok(Some(Library::Facade)));
        assert_eq!(pinned("snapshot = false"), Ok(Some(Library::Facade)));
    }

    #[test]
    fn all_mistakes_are_reported_together() {
        let errors = parse(r#"timeout = "soon", memory = 8, colour = "red", snapshot"#)
            .expect_err("invalid");
        assert_eq!(errors.len(), 4, "{errors:?}");
    }

    #[test]
    fn impossible_values_are_rejected() {
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
