//! Finds the source files of a crate. Follows `mod` from the root file, as the compiler does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens as _;
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit};

use crate::base::error::Error;
use crate::source::cfg::Cfg;
use crate::source::included;

/// One source file.
pub(crate) struct SourceFile {
    /// Absolute.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) syntax: syn::File,
    /// For each out-of-line `mod` in it, in source order: the number of its file. `None` if the file is
    /// excluded, missing or not Rust.
    pub(crate) modules: Vec<Option<usize>>,
    /// The files that it includes.
    pub(crate) included: Vec<PathBuf>,
}

/// The files of one crate; number 0 is its root.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) files: Vec<SourceFile>,
    /// The files that are not valid Rust. The host's own build reports their errors better.
    pub(crate) unparsed: Vec<PathBuf>,
}

impl Sources {
    /// Reads the crate with this root file.
    pub(crate) fn load(root: &Path, cfg: &Cfg) -> Result<Self, Error> {
        let mut sources = Self::default();
        let mut open = BTreeSet::new();
        let directory = root.parent().unwrap_or(Path::new(""));
        sources.read(root, directory, cfg, &mut open)?;
        Ok(sources)
    }

    /// Every file that determines what is in the crate.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let files = self.files.iter();
        files
            .flat_map(|file| [&file.path].into_iter().chain(&file.included))
            .chain(&self.unparsed)
    }

    /// Reads a file and all modules below it. `directory` contains its out-of-line modules. `open` holds the files on
    /// the way to this one, so that a file that declares itself does not cause an endless loop.
    fn read(
        &mut self,
        path: &Path,
        directory: &Path,
        cfg: &Cfg,
        open: &mut BTreeSet<PathBuf>,
    ) -> Result<Option<usize>, Error> {
        let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
        let text = blank_preamble(text);
        let Ok(syntax) = syn::parse_file(&text) else {
            self.unparsed.push(path.to_owned());
            return Ok(None);
        };
        if !open.insert(path.to_owned()) {
            return Ok(None);
        }
        let context = Context {
            file: path,
            directory,
            inline: false,
        };
        let declarations = context.declarations(&syntax.items, cfg);
        let number = self.files.len();
        self.files.push(SourceFile {
            path: path.to_owned(),
            text,
            included: included::files(syntax.to_token_stream(), path),
            syntax,
            modules: Vec::new(),
        });
        for declaration in declarations {
            let module = match declaration {
                Some((file, directory)) => self.read(&file, &directory, cfg, open)?,
                None => None,
            };
            self.files[number].modules.push(module);
        }
        open.remove(path);
        Ok(Some(number))
    }
}

/// Blanks a byte order mark and a `#!` line. syn would cut them off, and its positions would no longer be
/// those of the file.
fn blank_preamble(text: String) -> String {
    let rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mark = text.len() - rest.len();
    let is_shebang = rest.starts_with("#!") && !rest[2..].trim_start().starts_with('[');
    let shebang = match is_shebang {
        true => rest.find('\n').unwrap_or(rest.len()),
        false => 0,
    };
    let blank = mark + shebang;
    " ".repeat(blank) + &text[blank..]
}

/// The file of an out-of-line module, and the directory of that module's own out-of-line modules.
type Declaration = Option<(PathBuf, PathBuf)>;

/// The context of a `mod`: its file, the directory for modules without `#[path]`, and whether it is
/// inside an inline module.
struct Context<'a> {
    file: &'a Path,
    directory: &'a Path,
    inline: bool,
}

impl Context<'_> {
    /// The out-of-line modules among these items, in source order.
    fn declarations(&self, items: &[Item], cfg: &Cfg) -> Vec<Declaration> {
        let modules = items.iter().filter_map(|item| match item {
            Item::Mod(module) => Some(module),
            _ => None,
        });
        let declarations = modules.flat_map(|module| match &module.content {
            None if cfg.excludes(&module.attrs) => vec![None],
            None => vec![locate(module, self)],
            Some((_, items)) => {
                let name = path_attribute(&module.attrs).unwrap_or_else(|| module_name(module));
                let inline = Context {
                    file: self.file,
                    directory: &self.directory.join(name),
                    inline: true,
                };
                inline.declarations(items, cfg)
            }
        });
        declarations.collect()
    }
}

/// The Rust Reference, "Module source filenames": a `#[path]` outside inline modules is relative to
/// the file; inside them it is relative to the directory that their names form.
fn locate(module: &ItemMod, context: &Context<'_>) -> Declaration {
    if let Some(path) = path_attribute(&module.attrs) {
        let base = match context.inline {
            true => context.directory,
            false => context.file.parent()?,
        };
        let file = base.join(path);
        let directory = file.parent()?.to_owned();
        return file.is_file().then_some((file, directory));
    }
    let name = module_name(module);
    let directory = context.directory.join(&name);
    let candidates = [
        context.directory.join(format!("{name}.rs")),
        directory.join("mod.rs"),
    ];
    let file = candidates.into_iter().find(|file| file.is_file())?;
    Some((file, directory))
}

fn module_name(module: &ItemMod) -> String {
    let name = module.ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| {
        let pair = attribute.meta.require_name_value().ok()?;
        match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(path),
                ..
            }) if pair.path.is_ident("path") => Some(path.value()),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preamble_is_blanked_without_moving_anything() {
        for text in [
            "#!/bin/env run\nfn f() {}",
            "\u{feff}fn f() {}",
            "#![allow(x)]\nfn f() {}",
            "#! [allow(x)]",
        ] {
            let blanked = blank_preamble(text.to_owned());
            assert_eq!(blanked.len(), text.len());
            assert_eq!(blanked.find("fn f"), text.find("fn f"));
            assert_eq!(blanked.contains("#!"), text.contains("allow"));
        }
    }
}
