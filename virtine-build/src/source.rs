//! A crate's source files, found by following `mod` from its root as the compiler does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens as _;
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta};

use crate::cfg::Cfg;
use crate::error::Error;
use crate::mentions;

/// One source file.
pub(crate) struct SourceFile {
    /// Absolute.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) syntax: syn::File,
    /// For each out-of-line `mod` in it, in source order: the file, by number, unless it is
    /// excluded, missing or not Rust.
    pub(crate) modules: Vec<Option<usize>>,
    /// The files that it includes, by `include_str!` and its kin.
    pub(crate) included: Vec<PathBuf>,
}

/// The files of one crate; number 0 is its root.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) files: Vec<SourceFile>,
    /// What could not be read as Rust. The compiler says it better, in the host's own build.
    pub(crate) unparsed: Vec<PathBuf>,
}

impl Sources {
    /// Reads the crate whose root file is given.
    pub(crate) fn load(root: &Path, cfg: &Cfg) -> Result<Self, Error> {
        let mut sources = Self::default();
        let mut open = BTreeSet::new();
        let directory = root.parent().unwrap_or(Path::new(""));
        sources.read(root, directory, cfg, &mut open)?;
        Ok(sources)
    }

    /// Reads a file and all modules below it. `directory` is where its out-of-line modules lie;
    /// `open` holds the files on the way here, so that a file that declares itself ends.
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
        let declarations = declarations(&syntax.items, path, directory, cfg);
        let number = self.files.len();
        self.files.push(SourceFile {
            path: path.to_owned(),
            text,
            included: included(&syntax, path),
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

/// Relative to the file that includes them. One that is not there is left to the compiler.
fn included(syntax: &syn::File, path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    mentions::included(syntax.to_token_stream())
        .into_iter()
        .map(|name| folder.join(name))
        .filter(|file| file.is_file())
        .collect()
}

/// Adds all Rust files in a folder and below it. A folder that cannot be read has none.
pub(crate) fn rust_files(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.extension() {
            _ if path.is_dir() => rust_files(&path, found),
            Some(extension) if extension == "rs" => _ = found.insert(path),
            _ => {}
        }
    }
}

/// Blanks a byte order mark and a `#!` line, which syn would cut off, so that the positions it tells
/// are those in the file.
fn blank_preamble(text: String) -> String {
    const BYTE_ORDER_MARK: &str = "\u{feff}";
    let mark = if text.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    let rest = &text[mark..];
    let is_shebang = rest.starts_with("#!") && !rest[2..].trim_start().starts_with('[');
    let shebang = if is_shebang {
        rest.find('\n').unwrap_or(rest.len())
    } else {
        0
    };
    let blank = mark + shebang;
    " ".repeat(blank) + &text[blank..]
}

/// The file of each out-of-line module, with the directory of that module's own ones.
type Declaration = Option<(PathBuf, PathBuf)>;

fn declarations(items: &[Item], file: &Path, directory: &Path, cfg: &Cfg) -> Vec<Declaration> {
    let mut found = Vec::new();
    collect(
        items,
        &Place {
            file,
            directory,
            inline: false,
        },
        cfg,
        &mut found,
    );
    found
}

/// Where a `mod` stands: its file, the directory for modules without `#[path]`, and whether it is
/// inside an inline module.
struct Place<'a> {
    file: &'a Path,
    directory: &'a Path,
    inline: bool,
}

fn collect(items: &[Item], place: &Place<'_>, cfg: &Cfg, found: &mut Vec<Declaration>) {
    for item in items {
        let Item::Mod(module) = item else { continue };
        match &module.content {
            None if cfg.excludes(&module.attrs) => found.push(None),
            None => found.push(locate(module, place)),
            Some((_, items)) => {
                let name = path_attribute(&module.attrs).unwrap_or_else(|| module_name(module));
                let directory = place.directory.join(name);
                collect(
                    items,
                    &Place {
                        file: place.file,
                        directory: &directory,
                        inline: true,
                    },
                    cfg,
                    found,
                );
            }
        }
    }
}

/// The Rust reference, "Module source filenames": a `#[path]` outside inline modules is relative to
/// the file, inside them to the directory that their names spell.
fn locate(module: &ItemMod, place: &Place<'_>) -> Declaration {
    if let Some(path) = path_attribute(&module.attrs) {
        let base = match place.inline {
            true => place.directory,
            false => place.file.parent()?,
        };
        let file = base.join(path);
        let directory = file.parent()?.to_owned();
        return file.is_file().then_some((file, directory));
    }
    let name = module_name(module);
    let directory = place.directory.join(&name);
    let candidates = [
        place.directory.join(format!("{name}.rs")),
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
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(path),
                    ..
                }) => Some(path.value()),
                _ => None,
            },
            _ => None,
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
