//! The data of a build: crates, their guests, and the virtines in these.

use serde::{Deserialize, Serialize};
use syn::ItemFn;

use crate::cargo::target::TargetRoot;
use crate::compile::left_out::LeftOut;
use crate::compile::prune::Pruned;
use crate::index::item::Item;
use crate::index::table::Index;
use crate::report::{self, Outcome, Standing};
use crate::slice::Slice;
use crate::source::files::Sources;
use crate::syntax::{Function, Settings};

/// A target of the package, with its sources.
pub(crate) struct Crate<'a> {
    pub(crate) root: &'a TargetRoot,
    pub(crate) sources: Sources,
    pub(crate) index: Index,
}

/// The guest of a crate: one program for all its virtines.
pub(crate) struct Guest<'a> {
    pub(crate) of: &'a Crate<'a>,
    /// The virtines that the macro accepts.
    pub(crate) virtines: Vec<Virtine<'a>>,
    /// The report's entries for the others.
    pub(crate) rejected: Vec<report::Entry>,
    /// Everything that the virtines together may reach.
    pub(crate) slice: Slice,
    pub(crate) pruned: Pruned,
    pub(crate) left_out: LeftOut,
}

/// A function that runs in the guest.
pub(crate) struct Virtine<'a> {
    /// The number of its item.
    pub(crate) item: usize,
    pub(crate) syntax: &'a ItemFn,
    pub(crate) function: Function,
    pub(crate) settings: Settings,
    pub(crate) slice: Slice,
    /// The symbol of its shim.
    pub(crate) symbol: String,
    /// If the build chooses what it has as `std`: what the choice depends on.
    pub(crate) choice: Option<Choice>,
}

/// A virtine whose library the build chooses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Choice {
    /// The name of the function.
    pub(crate) name: String,
    /// Its target and its symbol, which together are unique in the package.
    pub(crate) key: String,
    /// A hash of the names that it reaches.
    pub(crate) fingerprint: u64,
}

/// What an incomplete virtine lacks.
pub(crate) enum Missing {
    /// The virtine itself was removed for the error with this number.
    Itself(usize),
    /// It needs parts of the guest that were removed, by number.
    Parts(Vec<usize>),
}

impl Crate<'_> {
    /// The report's entry for a function.
    pub(crate) fn entry(&self, item: usize, function: &ItemFn, outcome: Outcome) -> report::Entry {
        let Item { range, module, .. } = &self.index.items[item];
        let name = function.sig.ident.to_string();
        report::Entry {
            file: self.sources.files[range.file].path.clone(),
            line: function.sig.ident.span().start().line,
            standing: self.standing(*module, &name),
            name,
            target: self.root.target.clone(),
            outcome,
        }
    }

    /// The kind of scope that encloses the function `name` of a module.
    fn standing(&self, module: usize, name: &str) -> Standing {
        if self.index.modules[module].block.is_some() {
            Standing::Body
        } else if self.index.imports_beside_namesake(name) {
            Standing::ModuleOfNamesake
        } else {
            Standing::Module
        }
    }
}

impl Virtine<'_> {
    /// The line of the function's name.
    pub(crate) fn line(&self) -> usize {
        self.syntax.sig.ident.span().start().line
    }
}

impl Guest<'_> {
    /// If a virtine was removed: the number of the error.
    pub(crate) fn error_of_removal(&self, virtine: &Virtine<'_>) -> Option<usize> {
        self.pruned.error_of_removal(virtine.item, &self.of.index)
    }
}
