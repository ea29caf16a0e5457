//! What the build script made of a function, found by the function's place in its file.

use std::env;
use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use virtine_build::report::{Entry, FOLDER, IMAGES, Outcome, Report};

/// Said by rustc itself where OUT_DIR is not set, so that an editor without it stays quiet.
const NO_BUILD_SCRIPT: &str = "#[virtine] needs a build script: add `virtine-build` to \
     [build-dependencies] and write `fn main() { virtine_build::build() }` into build.rs";

const NOT_CALLED: &str = "#[virtine] found no guest images: call `virtine_build::build()` in the \
     `main` of build.rs, and list `virtine-build` in [build-dependencies]";

/// The path by which the package's source knows `wasp-core`.
pub(crate) fn host() -> TokenStream {
    let report = env::var_os("OUT_DIR").and_then(|folder| Report::read(Path::new(&folder)));
    let name = report.map_or("wasp_core".to_owned(), |report| report.host);
    let name = Ident::new(&name, Span::call_site());
    quote!(::#name)
}

/// An expression of type `&'static [u8]`, the function's image; or why there is none.
pub(crate) fn image(name: &Ident) -> syn::Result<TokenStream> {
    let error = |message: &str| syn::Error::new(name.span(), message);
    let Some(out_dir) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        return Ok(quote! { { const _: &str = env!("OUT_DIR", #NO_BUILD_SCRIPT); &[] } });
    };
    let Some(place) = Place::of(name) else {
        // An editor's expansion, which has no files.
        return Ok(quote! { &[] });
    };
    let report = Report::read(&out_dir).ok_or_else(|| error(NOT_CALLED))?;
    let entry = place.find(&report).ok_or_else(|| error(&not_found(name)))?;
    match &entry.outcome {
        Outcome::Built => Ok(include(&entry.target.folder, name)),
        Outcome::Failed(reason) => Err(error(&failed(name, reason))),
        // Of these, the first function's error says why; the second fail when they are called.
        Outcome::Blocked | Outcome::LeftOut => Ok(quote! { &[] }),
    }
}

/// The macro cannot know the module it stands in, but `module_path!` is expanded inside `concat!`.
fn include(folder: &str, name: &Ident) -> TokenStream {
    let head = format!("/{FOLDER}/{IMAGES}/{folder}/");
    let tail = format!("::{name}.img");
    quote! { include_bytes!(concat!(env!("OUT_DIR"), #head, module_path!(), #tail)) }
}

fn failed(name: &Ident, reason: &str) -> String {
    format!(
        "`{name}` does not compile as a virtine\n\n{}",
        reason.trim_end()
    )
}

fn not_found(name: &Ident) -> String {
    format!(
        "virtine-build found no function `{name}` here: #[virtine] may stand on functions at module \
         level, but not on methods, in function bodies, in the output of macros, in documentation \
         examples, or under `#[cfg(test)]`"
    )
}

/// Where a function stands.
struct Place {
    file: PathBuf,
    line: usize,
    name: String,
}

impl Place {
    fn of(name: &Ident) -> Option<Self> {
        let span = name.span().unwrap();
        let file = span.local_file()?;
        // rustc names files relative to the directory that cargo starts it in.
        let file = env::current_dir().ok()?.join(file);
        Some(Self {
            file,
            line: span.line(),
            name: name.to_string(),
        })
    }

    /// The entry for the crate that is being compiled, where the file is part of several.
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
