//! The walk over a crate's syntax that fills its index.

use quote::ToTokens as _;
use syn::UseTree;
use syn::spanned::Spanned as _;

use crate::cfg::Cfg;
use crate::index::kind::{attributes, classify};
use crate::index::nested::{self, Attributes};
use crate::index::{Block, Import, Index, Item, Module, Place, Use};
use crate::mentions;
use crate::parts;
use crate::source::Sources;

/// Whether `#[test]` functions are part of a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Units {
    /// They are compiled into another crate, for the unit tests alone, which has no guests.
    LeftOut,
    /// It consists of such.
    Tests,
}

/// The index of a crate, but for what takes all of it to tell.
pub(super) fn index(sources: &Sources, cfg: &Cfg, units: Units) -> Index {
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
        units,
        index: &mut index,
    };
    builder.items(&root.syntax.items, &mut cursor);
    index
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
    units: Units,
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
                block: None,
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
            module: cursor.module,
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
        let Attributes { excluded, virtine } =
            Attributes::of(attributes(item), self.cfg, self.units);
        if excluded {
            return;
        }
        let (names, kind) = classify(item);
        let own = nested::without_virtine(item, self.cfg);
        let number = self.index.items.len();
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
            mentions: mentions::of(own.to_token_stream()),
            members: mentions::members(own.to_token_stream()),
            virtine,
            attributes: nested::virtine_attributes(item, self.cfg),
        });
        for block in nested::blocks(item, self.cfg, self.units) {
            self.block(block, number, cursor);
        }
    }

    /// A body that holds virtines is indexed as a module would be.
    fn block(&mut self, block: &syn::Block, owner: usize, cursor: &Cursor) {
        let around = &self.index.modules[cursor.module];
        let number = self.index.modules.len();
        self.index.modules.push(Module {
            path: around.path.clone(),
            parent: around.parent,
            block: Some(Block {
                scope: cursor.module,
                owner,
                place: Place {
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
                // Modules in bodies hold no virtines.
                syn::Stmt::Item(syn::Item::Mod(_)) => {}
                syn::Stmt::Item(item) => self.item(item, &inner),
                _ => {}
            }
        }
        for inner_block in nested::blocks_below(block, self.cfg, self.units) {
            self.block(inner_block, owner, &inner);
        }
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
