//! Walks over the syntax of a crate and builds its index.

use std::fs;

use quote::ToTokens as _;
use syn::UseTree;
use syn::spanned::Spanned as _;

use crate::cargo::target::UnitTests;
use crate::index::item::{Block, Import, Item, Module, SourceRange, Use};
use crate::index::kind::{self, attributes, kind, names};
use crate::index::parts;
use crate::index::table::Index;
use crate::index::virtines::{self, Attributes};
use crate::source::cfg::Cfg;
use crate::source::files::Sources;
use crate::source::included;
use crate::source::mentions;

/// Builds the index of a crate.
pub(crate) fn index(sources: &Sources, cfg: &Cfg, unit_tests: UnitTests) -> Index {
    let mut index = Index::default();
    let Some(root) = sources.files.first() else {
        return index;
    };
    index.modules.push(Module {
        path: Vec::new(),
        parent: None,
        block: None,
        frame: Vec::new(),
    });
    let mut cursor = Cursor {
        module: 0,
        file: 0,
        next_module: 0,
    };
    let mut builder = Builder {
        sources,
        cfg,
        unit_tests,
        index: &mut index,
    };
    builder.items(&root.syntax.items, &mut cursor);
    index.finish();
    index
}

/// The position of the walk.
struct Cursor {
    module: usize,
    file: usize,
    /// The number of the next out-of-line module in the file.
    next_module: usize,
}

struct Builder<'a> {
    sources: &'a Sources,
    cfg: &'a Cfg,
    unit_tests: UnitTests,
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
        let number = self.index.modules.len();
        if !excluded {
            self.index.modules.push(Module {
                path,
                parent: Some(cursor.module),
                block: None,
                frame: frame(module, cursor.file),
            });
        }
        match &module.content {
            None => {
                let files = &self.sources.files[cursor.file].modules;
                let file = files.get(cursor.next_module);
                cursor.next_module += 1;
                if let (Some(&Some(file)), false) = (file, excluded) {
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
        self.tree(&item.tree, &[], cursor.module);
        self.index.uses.push(Use {
            module: cursor.module,
            range: SourceRange {
                file: cursor.file,
                bytes: item.span().byte_range(),
            },
            tree: item.tree.clone(),
            imports: first..self.index.imports.len(),
        });
    }

    fn tree(&mut self, tree: &UseTree, prefix: &[String], module: usize) {
        // `a::{self}` names `a`.
        let path_to = |name: &syn::Ident| -> Vec<String> {
            let name = (name != "self").then(|| name.to_string());
            prefix.iter().cloned().chain(name).collect()
        };
        let (path, name) = match tree {
            UseTree::Path(path) => {
                let prefix = [prefix, &[path.ident.to_string()]].concat();
                return self.tree(&path.tree, &prefix, module);
            }
            UseTree::Group(group) => {
                let trees = group.items.iter();
                return trees.for_each(|tree| self.tree(tree, prefix, module));
            }
            UseTree::Name(name) => {
                let path = path_to(&name.ident);
                let last = path.last().cloned();
                (path, last)
            }
            UseTree::Rename(rename) => {
                let alias = (rename.rename != "_").then(|| rename.rename.to_string());
                (path_to(&rename.ident), alias)
            }
            UseTree::Glob(_) => (prefix.to_vec(), None),
        };
        self.index.imports.push(Import {
            module,
            path,
            name,
            glob: matches!(tree, UseTree::Glob(_)),
        });
    }

    fn item(&mut self, item: &syn::Item, cursor: &Cursor) {
        let Attributes { excluded, virtine } =
            Attributes::of(attributes(item), self.cfg, self.unit_tests);
        if excluded {
            return;
        }
        let own = virtines::without_virtine(item, self.cfg);
        let number = self.index.items.len();
        let (mut names, mut mentions) = (names(item), mentions::of(own.to_token_stream()));
        if let Some(included) = self.included(item, cursor.file) {
            names.extend(included.items.iter().flat_map(kind::names));
            mentions.extend(mentions::of(included.to_token_stream()));
        }
        self.index.items.push(Item {
            module: cursor.module,
            range: SourceRange {
                file: cursor.file,
                bytes: item.span().byte_range(),
            },
            names,
            kind: kind(item),
            parts: parts::of(item),
            stub: None,
            mentions,
            members: mentions::members(own.to_token_stream()),
            virtine,
            attributes: virtines::virtine_attributes(item, self.cfg),
        });
        for block in virtines::blocks(item, self.cfg, self.unit_tests) {
            self.block(block, number, cursor);
        }
    }

    /// The items that `include!` stands for. The invocation is kept or left out as a whole.
    fn included(&self, item: &syn::Item, file: usize) -> Option<syn::File> {
        let syn::Item::Macro(item) = item else {
            return None;
        };
        item.mac.path.is_ident("include").then_some(())?;
        let file = included::file(item.mac.tokens.clone(), &self.sources.files[file].path)?;
        syn::parse_file(&fs::read_to_string(file).ok()?).ok()
    }

    /// Indexes a body that contains virtines as a module.
    fn block(&mut self, block: &syn::Block, owner: usize, cursor: &Cursor) {
        let around = &self.index.modules[cursor.module];
        let number = self.index.modules.len();
        self.index.modules.push(Module {
            path: around.path.clone(),
            parent: around.parent,
            block: Some(Block {
                scope: cursor.module,
                owner,
                range: SourceRange {
                    file: cursor.file,
                    bytes: block.span().byte_range(),
                },
            }),
            frame: Vec::new(),
        });
        let inner = Cursor {
            module: number,
            ..*cursor
        };
        for statement in &block.stmts {
            match statement {
                syn::Stmt::Item(syn::Item::Use(item)) if !self.cfg.excludes(&item.attrs) => {
                    self.import(item, &inner);
                }
                // Modules in bodies cannot contain virtines.
                syn::Stmt::Item(syn::Item::Mod(_)) => {}
                syn::Stmt::Item(item) => self.item(item, &inner),
                _ => {}
            }
        }
        for inner_block in virtines::blocks_below(block, self.cfg, self.unit_tests) {
            self.block(inner_block, owner, &inner);
        }
    }
}

/// The source that declares a module.
fn frame(module: &syn::ItemMod, file: usize) -> Vec<SourceRange> {
    let whole = module.span().byte_range();
    let range = |bytes| SourceRange { file, bytes };
    match &module.content {
        None => vec![range(whole)],
        Some((brace, _)) => vec![
            range(whole.start..brace.span.open().byte_range().end),
            range(brace.span.close().byte_range()),
        ],
    }
}

/// The number of out-of-line modules among these items.
fn out_of_line(items: &[syn::Item]) -> usize {
    let modules = items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) => Some(&module.content),
        _ => None,
    });
    modules
        .map(|content| content.as_ref().map_or(1, |(_, items)| out_of_line(items)))
        .sum()
}
