//! A crate's modules, items and imports, with the bytes that each takes up.

use std::collections::BTreeSet;
use std::ops::Range;

use syn::spanned::Spanned as _;
use syn::{Meta, UseTree};

use crate::cfg::Cfg;
use crate::index::names::Names;
use crate::mentions::Mention;
use crate::parts::Part;
use crate::source::Sources;

mod kind;
mod names;
mod nested;
mod walk;

pub(crate) use walk::Units;

/// Everything in one crate that the slice can choose from.
#[derive(Default)]
pub(crate) struct Index {
    /// Number 0 is the crate's root; a parent comes before its children.
    pub(crate) modules: Vec<Module>,
    pub(crate) items: Vec<Item>,
    pub(crate) imports: Vec<Import>,
    /// The `use` items that the imports belong to.
    pub(crate) uses: Vec<Use>,
    names: Names,
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
    /// The block that it is, if it is none in truth: items inside a body see each other as if they were in
    /// a module, and beyond it all that the body sees.
    pub(crate) block: Option<Block>,
    /// What must stay so that the module is there: `mod m;`, or `mod m {` and `}`.
    pub(crate) frame: Vec<Place>,
}

/// A body, or a block in one, that holds virtines.
#[derive(Debug)]
pub(crate) struct Block {
    /// What is around it: a module, or another such block.
    pub(crate) scope: usize,
    /// The item whose body it is.
    pub(crate) owner: usize,
    /// Its braces.
    pub(crate) place: Place,
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
    /// What `#[virtine]` says, where it stands on the item.
    pub(crate) virtine: Option<Meta>,
    /// The attributes that say so here and in its body, which are no part of the guest.
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
    pub(crate) module: usize,
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

impl Index {
    /// Whether something of this name is imported into a module that has a module of the same name.
    pub(crate) fn imports_beside_namesake(&self, name: &str) -> bool {
        let is_name = |other: &String| other == name;
        let namesakes = self
            .modules
            .iter()
            .filter(|module| module.block.is_none() && module.path.last().is_some_and(is_name));
        let parents: BTreeSet<usize> = namesakes.filter_map(|module| module.parent).collect();
        self.imports
            .iter()
            .any(|one| one.name.as_ref().is_some_and(is_name) && parents.contains(&one.module))
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
    pub(crate) fn new(sources: &Sources, cfg: &Cfg, units: Units) -> Self {
        let mut index = walk::index(sources, cfg, units);
        index.name_what_macros_define();
        index.names = Names::of(&index);
        index
    }

    /// The items that `name` may mean in a module, by their own name. Macros are in scope everywhere.
    pub(crate) fn items_named(&self, module: usize, name: &str) -> impl Iterator<Item = usize> {
        let own = self.names.items.get(&(module, name.to_owned()));
        let macros = self.names.macros.get(name);
        own.into_iter().chain(macros).flatten().copied()
    }

    /// The modules of that name right below a module.
    pub(crate) fn modules_named(&self, parent: usize, name: &str) -> impl Iterator<Item = usize> {
        let modules = self.names.modules.get(&(parent, name.to_owned()));
        modules.into_iter().flatten().copied()
    }

    /// The imports of a module that may bring `name`.
    pub(crate) fn imports_of(&self, module: usize, name: &str) -> impl Iterator<Item = usize> {
        let named = self.names.imports.get(&(module, name.to_owned()));
        let globs = self.names.globs.get(&module);
        named.into_iter().chain(globs).flatten().copied()
    }

    /// A module, and while it is a block what is around it: where a name is looked for, in this order.
    pub(crate) fn scopes(&self, module: usize) -> impl Iterator<Item = usize> {
        let outer = |&module: &usize| Some(self.modules[module].block.as_ref()?.scope);
        std::iter::successors(Some(module), outer)
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

    /// The functions that are virtines, with what their attribute says.
    pub(crate) fn virtines(&self) -> impl Iterator<Item = (usize, &syn::ItemFn, &Meta)> {
        let items = self.items.iter().enumerate();
        items.filter_map(|(number, item)| match &item.kind {
            Kind::Function(function) => Some((number, &**function, item.virtine.as_ref()?)),
            _ => None,
        })
    }
}
