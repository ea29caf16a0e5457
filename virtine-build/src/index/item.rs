//! The contents of a crate: modules, items, `use` declarations and their imports.

use std::collections::BTreeSet;
use std::ops::Range;

use syn::spanned::Spanned as _;
use syn::{Meta, UseTree};

use crate::index::parts::Part;
use crate::source::mentions::Mention;

/// A range of bytes in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceRange {
    pub(crate) file: usize,
    pub(crate) bytes: Range<usize>,
}

#[derive(Debug)]
pub(crate) struct Module {
    /// Names from the root, without the crate's own.
    pub(crate) path: Vec<String>,
    pub(crate) parent: Option<usize>,
    /// The block, if this is not a real module but a block in a body. The items of a body see each other as those of a
    /// module do, and they also see everything that the body sees.
    pub(crate) block: Option<Block>,
    /// The source that declares the module: `mod m;`, or `mod m {` and `}`.
    pub(crate) frame: Vec<SourceRange>,
}

/// A body, or a block in a body, that contains virtines.
#[derive(Debug)]
pub(crate) struct Block {
    /// The enclosing module or block.
    pub(crate) scope: usize,
    /// The item that has the body.
    pub(crate) owner: usize,
    /// The range of its braces.
    pub(crate) range: SourceRange,
}

pub(crate) struct Item {
    pub(crate) module: usize,
    pub(crate) range: SourceRange,
    /// The names that it defines in its module.
    pub(crate) names: Vec<String>,
    pub(crate) kind: Kind,
    pub(crate) mentions: Vec<Mention>,
    /// Names in it that may be names of methods.
    pub(crate) members: BTreeSet<String>,
    /// The attribute `#[virtine]`, if the item has it.
    pub(crate) virtine: Option<Meta>,
    /// All `#[virtine]` attributes on it and in its body. They are not part of the guest.
    pub(crate) attributes: Vec<Range<usize>>,
    /// The parts of it that can be removed separately.
    pub(crate) parts: Vec<Part>,
    /// If guests call this function on their host: the text that replaces its body.
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
    /// `macro_rules!`. It is in scope everywhere in the crate.
    Macro {
        /// The names of the items that it may define.
        defines: Vec<String>,
    },
    /// A macro call that defines items. These cannot be known. The assumed names are all identifiers in its arguments,
    /// and the names of the items in the macro's definition.
    Invocation {
        definition: Option<String>,
    },
    Other,
}

/// One name that a `use` imports.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) module: usize,
    pub(crate) path: Vec<String>,
    /// The name in this module; `None` for a glob and for `as _`.
    pub(crate) name: Option<String>,
    pub(crate) glob: bool,
}

/// A `use` declaration. Its imports are numbered in source order.
pub(crate) struct Use {
    pub(crate) module: usize,
    pub(crate) range: SourceRange,
    pub(crate) tree: UseTree,
    pub(crate) imports: Range<usize>,
}

impl Use {
    /// The imports that an error at this byte concerns: the import at this byte, or all imports that share
    /// the piece of path at this byte.
    pub(crate) fn imports_at(&self, offset: usize) -> Range<usize> {
        let mut next = self.imports.start;
        covered(&self.tree, offset, &mut next).unwrap_or(self.imports.clone())
    }
}

/// The imports of the smallest part of `tree` that contains the byte. `next` is the number of its first import.
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
