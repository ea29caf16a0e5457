//! Finds the build script's result for a function, by the function's location in its file.

use std::env;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use virtine_build::report::{self, Entry, FOLDER, IMAGE, IMAGES, Outcome, Report, Standing};

use crate::report_cache;

/// rustc reports this if OUT_DIR is not set. An editor without OUT_DIR does not.
const NO_BUILD_SCRIPT: &str = "#[virtine] needs a build script: add `virtine-build` to \
     [build-dependencies] and write `fn main() { virtine_build::build() }` into build.rs";

const NOT_CALLED: &str = "#[virtine] found no guest images: call `virtine_build::build()` in the \
     `main` of build.rs, and list `virtine-build` in [build-dependencies]";

/// Cargo does not run the build script for a target that it finds in a new folder.
const NEW_TARGET: &str = "\n\nif this target is new, build again: the next build takes it in";

/// The path of `wasp-core` in the package's source.
pub(crate) fn host() -> TokenStream {
    let report = env::var_os("OUT_DIR").and_then(|folder| report_cache::report(Path::new(&folder)));
    let name = report.map_or("wasp_core".to_owned(), |report| report.host.clone());
    let name = Ident::new(&name, Span::call_site());
    quote!(::#name)
}

/// Expressions for the definition of a function.
pub(crate) struct Guest {
    /// `&'static &'static [u8]`: the image.
    pub(crate) image: TokenStream,
    /// `&'static [u8]`: the entry points.
    pub(crate) entries: TokenStream,
    /// `&'static str`: the program's file, without the suffix for the image's identity.
    pub(crate) program: TokenStream,
    /// If this function includes the image for all functions: the item that does.
    pub(crate) carrier: TokenStream,
    pub(crate) standing: Standing,
    /// Whether the guest has the real std.
    pub(crate) std: bool,
}

impl Guest {
    /// The guest of a function whose calls fail.
    fn none(entries: TokenStream, standing: Standing) -> Self {
        Self {
            image: quote! { &(&[] as &[u8]) },
            entries,
            program: quote! { "" },
            carrier: TokenStream::new(),
            standing,
            std: false,
        }
    }

    fn of(entry: &Entry, [carries, std]: [bool; 2], name: &Ident, host: &TokenStream) -> Self {
        let folder = format!("/{FOLDER}/{IMAGES}/{}/", entry.target.folder);
        let program = format!("/{FOLDER}/{}", entry.target.folder);
        let key = key(&entry.target.folder);
        // A test of a library may depend on the library itself through other crates.
        let guest = quote! { #host::expansion::Guest<#key, { cfg!(test) }> };
        // The macro does not know its module, but `concat!` expands `module_path!`.
        let entries = report::entries_suffix(&name.to_string(), entry.line);
        let carrier = carries.then(|| carrier(host, &guest, &format!("{folder}{IMAGE}")));
        Self {
            image: quote! { <#guest as #host::expansion::Carries<_>>::IMAGE },
            entries: quote! {
                include_bytes!(concat!(env!("OUT_DIR"), #folder, module_path!(), #entries))
            },
            program: quote! { concat!(env!("OUT_DIR"), #program) },
            carrier: carrier.unwrap_or_default(),
            standing: entry.standing,
            std,
        }
    }
}

/// Includes the image once for all functions of the crate. They find it through a trait with one implementation
/// for their guest, because no path leads from everywhere to a private module. A local type as parameter makes
/// the implementation of a foreign trait legal.
fn carrier(host: &TokenStream, guest: &TokenStream, file: &str) -> TokenStream {
    quote! {
        #[allow(non_local_definitions)]
        const _: () = {
            static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), #file));
            pub struct Carrier;
            impl #host::expansion::Carries<Carrier> for #guest {
                const IMAGE: &'static &'static [u8] = &IMAGE;
            }
        };
    }
}

/// Distinguishes the guests of all packages and targets in one program.
fn key(folder: &str) -> u64 {
    let variable = |name| env::var(name).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (
        variable("CARGO_PKG_NAME"),
        variable("CARGO_PKG_VERSION"),
        folder,
    )
        .hash(&mut hasher);
    hasher.finish()
}

/// The build script's result for the function, or the error that prevented it.
pub(crate) fn guest(name: &Ident, host: &TokenStream) -> syn::Result<Guest> {
    let error = |message: &str| syn::Error::new(name.span(), message);
    let Some(out_dir) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        let missing = quote! { { const _: &str = env!("OUT_DIR", #NO_BUILD_SCRIPT); &[] } };
        return Ok(Guest::none(missing, Standing::Module));
    };
    let Some(location) = Location::of(name) else {
        // An editor's expansion, which has no files.
        return Ok(Guest::none(quote! { &[] }, Standing::Module));
    };
    let report = report_cache::report(&out_dir).ok_or_else(|| error(NOT_CALLED))?;
    let Some(entry) = location.find(&report) else {
        if is_current_target_in(&report) {
            return Err(error(&not_found(name)));
        }
        report::ask_for_another_run(&out_dir);
        return Err(error(&format!("{}{NEW_TARGET}", not_found(name))));
    };
    match &entry.outcome {
        Outcome::Built { carries, std } => Ok(Guest::of(entry, [*carries, *std], name, host)),
        Outcome::Failed(reason) => Err(error(&failed(name, reason))),
        // If blocked, the error of another function is reported. If left out, calls fail.
        Outcome::Blocked | Outcome::LeftOut => Ok(Guest::none(quote! { &[] }, entry.standing)),
    }
}

/// Whether the report has any function of the target that is compiled now.
fn is_current_target_in(report: &Report) -> bool {
    let variable = |name| env::var(name).ok();
    let (name, bin) = (variable("CARGO_CRATE_NAME"), variable("CARGO_BIN_NAME"));
    let mut targets = report.functions.iter().map(|entry| &entry.target);
    targets.any(|target| Some(&target.crate_name) == name.as_ref() && target.bin_name == bin)
}

fn failed(name: &Ident, reason: &str) -> String {
    format!(
        "`{name}` does not compile as a virtine\n\n{}",
        reason.trim_end()
    )
}

fn not_found(name: &Ident) -> String {
    format!(
        "virtine-build found no function `{name}` here: #[virtine] supports functions in modules and in bodies, \
         but not methods, nor functions in the output of macros, in documentation examples, in unit \
         tests (`#[cfg(test)]`, `#[test]`), or in modules inside bodies"
    )
}

/// The location of a function.
struct Location {
    file: PathBuf,
    line: usize,
    name: String,
}

impl Location {
    fn of(name: &Ident) -> Option<Self> {
        let span = name.span().unwrap();
        let file = span.local_file()?;
        // The path is relative to the directory in which cargo started rustc.
        let file = env::current_dir().ok()?.join(file);
        Some(Self {
            file,
            line: span.line(),
            name: name.to_string(),
        })
    }

    /// The entry for this function. If the file is part of several crates, that of the current one.
    fn find<'a>(&'a self, report: &'a Report) -> Option<&'a Entry> {
        let crate_name = env::var("CARGO_CRATE_NAME").ok();
        let bin_name = env::var("CARGO_BIN_NAME").ok();
        let canonical = self
            .file
            .canonicalize()
            .unwrap_or_else(|_| self.file.clone());
        let entries: Vec<&Entry> = report
            .functions
            .iter()
            .filter(|entry| entry.line == self.line && entry.name == self.name)
            .filter(|entry| same_file(&entry.file, &self.file, &canonical))
            .collect();
        let own = entries.iter().find(|entry| {
            Some(&entry.target.crate_name) == crate_name.as_ref()
                && entry.target.bin_name == bin_name
        });
        own.or(entries.first()).copied()
    }
}

fn same_file(recorded: &Path, file: &Path, canonical: &Path) -> bool {
    recorded == file
        || recorded
            .canonicalize()
            .is_ok_and(|recorded| recorded == canonical)
}
