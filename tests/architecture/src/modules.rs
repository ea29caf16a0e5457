//! The module tree of a crate.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{Attribute, Item, ItemMod, Meta};

use crate::paths::{Use, flatten};

/// A crate's modules. The first is the root.
pub struct Crate {
    /// In the order of their declarations.
    pub modules: Vec<Module>,
    by_path: HashMap<Vec<String>, usize>,
}

/// One module: a file, or a part of one.
pub struct Module {
    /// Its path from the root.
    pub path: Vec<String>,
    /// The file it is in, relative to the crate's `src`.
    pub file: PathBuf,
    /// Names of the items that it defines.
    pub items: Vec<String>,
    /// Its `use` declarations.
    pub uses: Vec<Use>,
    /// All else in it.
    pub code: TokenStream,
}

impl Crate {
    /// Reads the crate whose source is in `folder`.
    ///
    /// # Panics
    ///
    /// If a file cannot be read or is not Rust.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let mut found = Self {
            modules: Vec::new(),
            by_path: HashMap::new(),
        };
        found.read_file(folder, Path::new("lib.rs"), Vec::new());
        found
    }

    /// The module at this path.
    #[must_use]
    pub fn module(&self, path: &[String]) -> Option<&Module> {
        self.modules.get(*self.by_path.get(path)?)
    }

    fn read_file(&mut self, folder: &Path, file: &Path, path: Vec<String>) {
        let text = fs::read_to_string(folder.join(file))
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        let parsed = syn::parse_file(&text)
            .unwrap_or_else(|error| panic!("cannot parse {}: {error}", file.display()));
        self.read_items(folder, file, path, parsed.items);
    }

    fn read_items(&mut self, folder: &Path, file: &Path, path: Vec<String>, items: Vec<Item>) {
        let index = self.modules.len();
        self.by_path.insert(path.clone(), index);
        self.modules.push(Module {
            path: path.clone(),
            file: file.to_owned(),
            items: Vec::new(),
            uses: Vec::new(),
            code: TokenStream::new(),
        });
        for item in items {
            match item {
                item if is_for_tests(attributes(&item)) => {}
                Item::Mod(module) => {
                    let path = [&path[..], &[module.ident.to_string()]].concat();
                    self.read_module(folder, file, path, module);
                }
                Item::Use(item) => {
                    let is_public = !matches!(item.vis, syn::Visibility::Inherited);
                    flatten(&item.tree, is_public, &mut self.modules[index].uses);
                }
                item => {
                    self.modules[index].items.extend(name(&item));
                    item.to_tokens(&mut self.modules[index].code);
                }
            }
        }
    }

    fn read_module(&mut self, folder: &Path, file: &Path, path: Vec<String>, module: ItemMod) {
        match module.content {
            Some((_, items)) => self.read_items(folder, file, path, items),
            None => {
                let below = file_of(folder, file, &module);
                self.read_file(folder, &below, path);
            }
        }
    }
}

/// The file of a module that is declared in `file` (The Rust Reference, "Module source filenames").
fn file_of(folder: &Path, file: &Path, module: &ItemMod) -> PathBuf {
    let name = module.ident.to_string();
    let parent = file.parent().unwrap_or(Path::new(""));
    if let Some(path) = module.attrs.iter().find_map(path_attribute) {
        return parent.join(path);
    }
    let stem = file.file_stem().unwrap_or_default();
    let own = match stem == "lib" || stem == "mod" {
        true => parent.to_owned(),
        false => parent.join(stem),
    };
    let flat = own.join(format!("{name}.rs"));
    match folder.join(&flat).exists() {
        true => flat,
        false => own.join(name).join("mod.rs"),
    }
}

fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match &pair.value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(path),
            ..
        }) if pair.path.is_ident("path") => Some(path.value()),
        _ => None,
    }
}

/// Whether `cfg` leaves an item to tests and models.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all (test")
        }
        _ => false,
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
