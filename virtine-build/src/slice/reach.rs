//! The slice: all items and imports that one function may reach.
//!
//! A slice is an over-approximation. If a name may mean several items, all are kept. A kept type keeps its impls. A
//! path that cannot be resolved is left to the compiler. A missing item would be an error in correct code. An extra
//! item costs a little time: the compiler and the linker drop it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::index::item::{Import, Item, Kind};
use crate::index::table::Index;
use crate::slice::resolve::{
    Definition, Resolution, resolve, resolve_import, resolve_in_attribute,
};
use crate::slice::std_traits::may_be_std_trait;
use crate::source::mentions::Mention;
use crate::syntax::FunctionPath;

/// Items and imports of an index, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) items: BTreeSet<usize>,
    pub(crate) imports: BTreeSet<usize>,
    /// For each item, the item from which it was first reached.
    reached_from: BTreeMap<usize, usize>,
}

impl Slice {
    /// Everything in the index.
    pub(crate) fn all(index: &Index) -> Self {
        Self {
            items: (0..index.items.len()).collect(),
            imports: (0..index.imports.len()).collect(),
            reached_from: BTreeMap::new(),
        }
    }

    /// The items that `entry` reaches, including itself, and those that the function `init` in its attribute reaches.
    pub(crate) fn of(index: &Index, entry: usize, init: Option<&FunctionPath>) -> Self {
        let mut slicer = Slicer {
            index,
            slice: Self::default(),
            open: VecDeque::new(),
        };
        slicer.keep(entry, None);
        if let Some(path) = init {
            let resolution = resolve_in_attribute(index, entry, path);
            slicer.keep_all(&resolution, entry);
        }
        slicer.run();
        slicer.slice
    }

    /// The items from the entry of the slice to `item`, both included.
    pub(crate) fn path_to(&self, item: usize) -> Vec<usize> {
        let back = std::iter::successors(Some(item), |item| self.reached_from.get(item).copied());
        let mut path: Vec<usize> = back.collect();
        path.reverse();
        path
    }

    /// Whether any path that an item or an import of the slice mentions satisfies `is_such`.
    pub(crate) fn mentions(&self, index: &Index, is_such: impl Fn(&[String]) -> bool) -> bool {
        self.mentioned(index).any(is_such)
    }

    /// All paths that an item or an import of the slice mentions.
    pub(crate) fn mentioned<'a>(&self, index: &'a Index) -> impl Iterator<Item = &'a [String]> {
        let items = self.items.iter();
        let in_items = items.flat_map(|&item| index.items[item].mentions.iter());
        let imported = self
            .imports
            .iter()
            .map(|&import| &index.imports[import].path[..]);
        in_items.map(|mention| &mention.path[..]).chain(imported)
    }

    /// Adds another slice of the same index.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.items.extend(&other.items);
        self.imports.extend(&other.imports);
    }
}

struct Slicer<'a> {
    index: &'a Index,
    slice: Slice,
    /// Kept items whose mentions have not been followed yet.
    open: VecDeque<usize>,
}

impl Slicer<'_> {
    fn run(&mut self) {
        loop {
            while let Some(item) = self.open.pop_front() {
                self.follow_mentions(item);
            }
            self.keep_traits();
            self.keep_impls();
            if self.open.is_empty() {
                self.keep_trait_imports();
                return;
            }
        }
    }

    fn keep(&mut self, item: usize, from: Option<usize>) {
        if self.slice.items.insert(item) {
            self.slice
                .reached_from
                .extend(from.map(|from| (item, from)));
            self.open.push_back(item);
        }
    }

    /// Keeps the imports and the items of a path that the item `from` mentions.
    fn keep_all(&mut self, resolution: &Resolution, from: usize) {
        self.slice.imports.extend(&resolution.imports);
        for item in resolution.items() {
            self.keep(item, Some(from));
        }
    }

    fn follow_mentions(&mut self, item: usize) {
        let index = self.index;
        let Item {
            module, mentions, ..
        } = &index.items[item];
        for mention in mentions {
            let resolution = resolve(index, *module, &mention.path);
            self.keep_all(&resolution, item);
            for definition in &resolution.definitions {
                if let (Definition::Module(module), true) = (definition, mention.glob) {
                    self.keep_module(*module, item);
                }
            }
        }
    }

    /// `use m::*` inside a body may mean any item of the module.
    fn keep_module(&mut self, module: usize, from: usize) {
        for (number, item) in self.index.items.iter().enumerate() {
            if item.module == module && !item.names.is_empty() {
                self.keep(number, Some(from));
            }
        }
    }

    /// Keeps traits with a method whose name is called somewhere. They may be implemented for types of
    /// other crates, and then nothing else names them.
    fn keep_traits(&mut self) {
        let index = self.index;
        let mut called: BTreeMap<&str, usize> = BTreeMap::new();
        for &item in &self.slice.items {
            for name in &index.items[item].members {
                called.entry(name).or_insert(item);
            }
        }
        for (number, item) in index.items.iter().enumerate() {
            if let Kind::Trait { members } = &item.kind
                && let Some(&from) = members.iter().find_map(|name| called.get(name.as_str()))
            {
                self.keep(number, Some(from));
            }
        }
    }

    /// Keeps impls of kept types, and impls of kept traits for types of other crates.
    fn keep_impls(&mut self) {
        let index = self.index;
        for (number, item) in index.items.iter().enumerate() {
            let Kind::Impl { subject, of_trait } = &item.kind else {
                continue;
            };
            if self.slice.items.contains(&number) {
                continue;
            }
            let subjects = items_of(index, item.module, subject);
            let wanted = match subjects.is_empty() {
                true => items_of(index, item.module, of_trait),
                false => subjects,
            };
            let kept = wanted
                .into_iter()
                .find(|item| self.slice.items.contains(item));
            if let Some(from) = kept {
                self.keep(number, Some(from));
            }
        }
    }

    /// Keeps imports of traits. Code imports a trait for its methods and need not mention its name again.
    /// Kept are the imports of kept traits and of std's traits, in every module with a kept item.
    fn keep_trait_imports(&mut self) {
        let index = self.index;
        let items = self.slice.items.iter();
        let mut open: Vec<usize> = items
            .flat_map(|&item| index.scopes(index.items[item].module))
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(module) = open.pop() {
            if !seen.insert(module) {
                continue;
            }
            let imports = index.imports.iter().enumerate();
            for (number, import) in imports.filter(|(_, import)| import.module == module) {
                open.extend(self.keep_trait_import(number, import));
            }
        }
    }

    /// Keeps the import if it imports a trait. Returns the modules of a glob, which may have imported the
    /// trait in turn.
    fn keep_trait_import(&mut self, number: usize, import: &Import) -> Vec<usize> {
        let Resolution {
            definitions,
            imports,
        } = resolve_import(self.index, import);
        let mut found = definitions.iter();
        if found.any(|&definition| self.imports_trait(import, definition)) {
            self.slice.imports.extend(imports);
            self.slice.imports.insert(number);
        }
        let modules = definitions
            .iter()
            .filter_map(|definition| match definition {
                Definition::Module(module) if import.glob => Some(*module),
                _ => None,
            });
        modules.collect()
    }

    fn imports_trait(&self, import: &Import, definition: Definition) -> bool {
        let kept_trait = |number: usize| {
            self.slice.items.contains(&number)
                && matches!(self.index.items[number].kind, Kind::Trait { .. })
        };
        match definition {
            Definition::External => may_be_std_trait(import),
            Definition::Item(item) => kept_trait(item),
            Definition::Module(module) if import.glob => {
                let mut items = self.index.items.iter().enumerate();
                let mut imports = self.index.imports.iter();
                items.any(|(number, item)| item.module == module && kept_trait(number))
                    || imports.any(|other| other.module == module && may_be_std_trait(other))
            }
            Definition::Module(_) => false,
        }
    }
}

/// The items that these paths may mean.
fn items_of(index: &Index, module: usize, mentions: &[Mention]) -> Vec<usize> {
    let mut items = Vec::new();
    for mention in mentions {
        items.extend(resolve(index, module, &mention.path).items());
    }
    items
}
