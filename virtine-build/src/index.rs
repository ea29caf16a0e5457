//! A crate's modules, items and imports, with the bytes that each takes up.

use std::collections::BTreeSet;
use std::ops::Range;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::spanned::Spanned as _;
use syn::{Attribute, UseTree};

use crate::cfg::Cfg;
use crate::mentions::{self, Mention};
use crate::parts::{self, Part};
use crate::source::Sources;
use crate::syntax;

/// Everything in one crate that the slice can choose from.
#[derive(Default)]
pub(crate) struct Index {
    /// Number 0 is the crate's root; a parent comes before its children.
    pub(crate) modules: Vec<Module>,
    pub(crate) items: Vec<Item>,
    pub(crate) imports: Vec<Import>,
    /// The `use` items that the imports belong to.
    pub(crate) uses: Vec<Use>,
}

/// Bytes of one source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) bytes: Range<usize>,
}

#[derive(Debug)]
pub(crate) struct Module {
    /// Names from the root, the crate's own left out.
    pub(crate) path: Vec<String>,
    pub(crate) parent: Option<usize>,
    /// What must stay so that the module is there: `mod m;`, or `mod m {` and `}`.
    pub(crate) frame: Vec<Place>,
}

pub(crate) struct Item {
    pub(crate) module: usize,
    pub(crate) place: Place,
    /// The names that it brings into its module.
    pub(crate) names: Vec<String>,
    pub(crate) kind: Kind,
    pub(crate) mentions: Vec<Mention>,
    /// Names that may be those of methods.
    pub(crate) members: BTreeSet<String>,
    /// `#[virtine]` attributes, which are no part of the guest.
    pub(crate) attributes: Vec<Range<usize>>,
    /// What of it can be taken out by itself.
    pub(crate) parts: Vec<Part>,
    /// What stands for the body of a function that guests call on their host.
    pub(crate) stub: Option<String>,
}

pub(crate) enum Kind {
    Function(Box<syn::ItemFn>),
    Enum {
        variants: Vec<String>,
    },
    Trait {
        /// Its methods and associated constants.
        members: Vec<String>,
    },
    Impl {
        subject: Vec<Mention>,
        of_trait: Vec<Mention>,
    },
    /// `macro_rules!`, which is found from everywhere in the crate.
    Macro {
        /// Names of items in it.
        defines: Vec<String>,
    },
    /// A macro call that makes items. Which ones cannot be known: its names are all that stand in its
    /// arguments, and those of the items in the macro's definition.
    Invocation {
        definition: Option<String>,
    },
    Other,
}

/// One name that a `use` brings in.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) module: usize,
    pub(crate) path: Vec<String>,
    /// The name it goes by; `None` for a glob and for `as _`.
    pub(crate) name: Option<String>,
    pub(crate) glob: bool,
}

/// A `use` item; its imports are numbered in source order.
pub(crate) struct Use {
    pub(crate) place: Place,
    pub(crate) tree: UseTree,
    pub(crate) imports: Range<usize>,
}

impl Use {
    /// The imports that an error at a byte of it concerns: the one that stands there, or all that
    /// share the piece of path that does.
    pub(crate) fn imports_at(&self, offset: usize) -> Range<usize> {
        let mut next = self.imports.start;
        covered(&self.tree, offset, &mut next).unwrap_or(self.imports.clone())
    }
}

/// The imports of the smallest part of `tree` that holds the byte; `next` is the number of its first.
fn covered(tree: &UseTree, offset: usize, next: &mut usize) -> Option<Range<usize>> {
    let first = *next;
    let inner = match tree {
        UseTree::Path(path) => covered(&path.tree, offset, next),
        UseTree::Group(group) => group.items.iter().fold(None, |found, tree| {
            let inner = covered(tree, offset, next);
            found.or(inner)
        }),
        UseTree::Name(_) | UseTree::Rename(_) | UseTree::Glob(_) => {
            *next += 1;
            None
        }
    };
    let whole = || {
        let here = tree.span().byte_range().contains(&offset);
        here.then_some(first..*next)
    };
    inner.or_else(whole)
}

impl Index {
    pub(crate) fn new(sources: &Sources, cfg: &Cfg) -> Self {
        let mut index = Self::default();
        if let Some(root) = sources.files.first() {
            index.modules.push(Module {
                path: Vec::new(),
                parent: None,
                frame: Vec::new(),
            });
            let mut builder = Builder {
                sources,
                cfg,
                index: &mut index,
            };
            builder.items(
                &root.syntax.items,
                &mut Cursor {
                    module: 0,
                    file: 0,
                    next_module: 0,
                },
            );
        }
        index.name_what_macros_define();
        index
    }

    fn name_what_macros_define(&mut self) {
        let definitions = self.items.iter().filter_map(|item| match &item.kind {
            Kind::Macro { defines } => Some((item.names.first()?.clone(), defines.clone())),
            _ => None,
        });
        let definitions: Vec<(String, Vec<String>)> = definitions.collect();
        for item in &mut self.items {
            if let Kind::Invocation { definition } = &item.kind {
                let own = definitions
                    .iter()
                    .filter(|(name, _)| Some(name) == definition.as_ref());
                item.names
                    .extend(own.flat_map(|(_, defines)| defines.iter().cloned()));
            }
        }
    }

    /// The functions that are virtines, with their attribute.
    pub(crate) fn virtines(&self) -> impl Iterator<Item = (usize, &syn::ItemFn, &Attribute)> {
        self.items
            .iter()
            .enumerate()
            .filter_map(|(number, item)| match &item.kind {
                Kind::Function(function) => {
                    let attribute = function.attrs.iter().find(|one| syntax::is_virtine(one))?;
                    Some((number, &**function, attribute))
                }
                _ => None,
            })
    }
}

/// Where the walk is.
struct Cursor {
    module: usize,
    file: usize,
    /// Which of the file's out-of-line modules comes next.
    next_module: usize,
}

struct Builder<'a> {
    sources: &'a Sources,
    cfg: &'a Cfg,
    index: &'a mut Index,
}

impl Builder<'_> {
    fn items(&mut self, items: &[syn::Item], cursor: &mut Cursor) {
        for item in items {
            match item {
                syn::Item::Mod(module) => self.module(module, cursor),
                syn::Item::Use(item) if !self.cfg.excludes(&item.attrs) => {
                    self.import(item, cursor)
                }
                _ => self.item(item, cursor),
            }
        }
    }

    fn module(&mut self, module: &syn::ItemMod, cursor: &mut Cursor) {
        let excluded = self.cfg.excludes(&module.attrs);
        let mut path = self.index.modules[cursor.module].path.clone();
        path.push(module.ident.to_string());
        let whole = module.span().byte_range();
        let place = |bytes| Place {
            file: cursor.file,
            bytes,
        };
        let frame = match &module.content {
            None => vec![place(whole)],
            Some((brace, _)) => vec![
                place(whole.start..brace.span.open().byte_range().end),
                place(brace.span.close().byte_range()),
            ],
        };
        let number = self.index.modules.len();
        if !excluded {
            self.index.modules.push(Module {
                path,
                parent: Some(cursor.module),
                frame,
            });
        }
        match &module.content {
            None => {
                let file = self.sources.files[cursor.file]
                    .modules
                    .get(cursor.next_module)
                    .copied();
                cursor.next_module += 1;
                if let (Some(Some(file)), false) = (file, excluded) {
                    let mut inner = Cursor {
                        module: number,
                        file,
                        next_module: 0,
                    };
                    self.items(&self.sources.files[file].syntax.items, &mut inner);
                }
            }
            Some((_, items)) if excluded => cursor.next_module += out_of_line(items),
            Some((_, items)) => {
                let mut inner = Cursor {
                    module: number,
                    ..*cursor
                };
                self.items(items, &mut inner);
                cursor.next_module = inner.next_module;
            }
        }
    }

    fn import(&mut self, item: &syn::ItemUse, cursor: &Cursor) {
        let first = self.index.imports.len();
        self.tree(&item.tree, &mut Vec::new(), cursor.module);
        self.index.uses.push(Use {
            place: Place {
                file: cursor.file,
                bytes: item.span().byte_range(),
            },
            tree: item.tree.clone(),
            imports: first..self.index.imports.len(),
        });
    }

    fn tree(&mut self, tree: &UseTree, prefix: &mut Vec<String>, module: usize) {
        let mut push = |path: &[String], name: Option<String>, glob| {
            self.index.imports.push(Import {
                module,
                path: path.to_vec(),
                name,
                glob,
            });
        };
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(&path.tree, prefix, module);
                prefix.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                push(prefix, prefix.last().cloned(), false)
            }
            UseTree::Name(name) => {
                prefix.push(name.ident.to_string());
                push(prefix, Some(name.ident.to_string()), false);
                prefix.pop();
            }
            UseTree::Rename(rename) => {
                let alias = (rename.rename != "_").then(|| rename.rename.to_string());
                let own = (rename.ident != "self").then(|| rename.ident.to_string());
                let path: Vec<String> = prefix.iter().cloned().chain(own).collect();
                push(&path, alias, false);
            }
            UseTree::Glob(_) => push(prefix, None, true),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, prefix, module);
                }
            }
        }
    }

    fn item(&mut self, item: &syn::Item, cursor: &Cursor) {
        let attributes = attributes(item);
        if self.cfg.excludes(attributes) {
            return;
        }
        let virtine = attributes
            .iter()
            .filter(|attribute| syntax::is_virtine(attribute));
        let attributes = virtine
            .map(|attribute| attribute.span().byte_range())
            .collect();
        let (names, kind) = classify(item);
        self.index.items.push(Item {
            module: cursor.module,
            place: Place {
                file: cursor.file,
                bytes: item.span().byte_range(),
            },
            names,
            kind,
            parts: parts::of(item),
            stub: None,
            mentions: mentions::of(without_virtine(item)),
            members: mentions::members(without_virtine(item)),
            attributes,
        });
    }
}

/// How many out-of-line modules stand among these items.
fn out_of_line(items: &[syn::Item]) -> usize {
    items
        .iter()
        .map(|item| match item {
            syn::Item::Mod(syn::ItemMod { content: None, .. }) => 1,
            syn::Item::Mod(syn::ItemMod {
                content: Some((_, items)),
                ..
            }) => out_of_line(items),
            _ => 0,
        })
        .sum()
}

fn attributes(item: &syn::Item) -> &[Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn without_virtine(item: &syn::Item) -> TokenStream {
    match item {
        syn::Item::Fn(function) => {
            let mut function = function.clone();
            function
                .attrs
                .retain(|attribute| !syntax::is_virtine(attribute));
            function.into_token_stream()
        }
        _ => item.to_token_stream(),
    }
}

fn classify(item: &syn::Item) -> (Vec<String>, Kind) {
    let named = |name: &syn::Ident, kind| (vec![name.to_string()], kind);
    match item {
        syn::Item::Fn(item) => named(&item.sig.ident, Kind::Function(Box::new(item.clone()))),
        syn::Item::Enum(item) => {
            let variants = item
                .variants
                .iter()
                .map(|variant| variant.ident.to_string())
                .collect();
            named(&item.ident, Kind::Enum { variants })
        }
        syn::Item::Trait(item) => {
            let members = item.items.iter().filter_map(|item| match item {
                syn::TraitItem::Fn(item) => Some(item.sig.ident.to_string()),
                syn::TraitItem::Const(item) => Some(item.ident.to_string()),
                _ => None,
            });
            let members = members.collect();
            named(&item.ident, Kind::Trait { members })
        }
        syn::Item::Impl(item) => {
            let subject = mentions::of(item.self_ty.to_token_stream());
            let of_trait = item
                .trait_
                .as_ref()
                .map(|(path, _)| mentions::of(path.to_token_stream()));
            (
                Vec::new(),
                Kind::Impl {
                    subject,
                    of_trait: of_trait.unwrap_or_default(),
                },
            )
        }
        syn::Item::Macro(item) => match &item.ident {
            Some(name) => {
                let defines = defined_in(item.mac.tokens.clone());
                named(name, Kind::Macro { defines })
            }
            None => {
                let mut names = Vec::new();
                every_name(item.mac.tokens.clone(), &mut names);
                let definition = item.mac.path.segments.last();
                let definition = definition.map(|last| last.ident.to_string());
                (names, Kind::Invocation { definition })
            }
        },
        syn::Item::Const(item) => named(&item.ident, Kind::Other),
        syn::Item::Static(item) => named(&item.ident, Kind::Other),
        syn::Item::Struct(item) => named(&item.ident, Kind::Other),
        syn::Item::Union(item) => named(&item.ident, Kind::Other),
        syn::Item::Type(item) => named(&item.ident, Kind::Other),
        syn::Item::ExternCrate(item) => {
            let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name);
            named(name, Kind::Other)
        }
        _ => (Vec::new(), Kind::Other),
    }
}

fn every_name(tokens: TokenStream, names: &mut Vec<String>) {
    for token in tokens {
        match token {
            proc_macro2::TokenTree::Ident(name) => names.push(name.to_string()),
            proc_macro2::TokenTree::Group(group) => every_name(group.stream(), names),
            _ => {}
        }
    }
}

/// What a macro's definition seems to define: the name behind each item keyword.
fn defined_in(tokens: TokenStream) -> Vec<String> {
    const KEYWORDS: [&str; 8] = [
        "fn", "struct", "enum", "static", "const", "type", "trait", "ref",
    ];
    let mut names = Vec::new();
    let mut after_keyword = false;
    for token in tokens {
        match token {
            proc_macro2::TokenTree::Ident(name) => {
                let name = name.to_string();
                match KEYWORDS.contains(&name.as_str()) {
                    true => after_keyword = true,
                    false if after_keyword => {
                        names.push(name);
                        after_keyword = false;
                    }
                    false => {}
                }
            }
            proc_macro2::TokenTree::Group(group) => names.extend(defined_in(group.stream())),
            _ => after_keyword = false,
        }
    }
    names
}
