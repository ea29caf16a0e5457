//! All that one function may reach, by name.
//!
//! Over-approximates: a name that may mean several items keeps them all, a kept type keeps its
//! impls, a path that cannot be followed is left to the compiler. The compiler and the linker trim
//! the rest; an item too few would be an error in code that is right, an item too many costs a
//! little time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::index::{Import, Index, Item, Kind};
use crate::mentions::Mention;
use crate::syntax::FunctionPath;

/// Parts of an index, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) items: BTreeSet<usize>,
    pub(crate) imports: BTreeSet<usize>,
    /// For each item, the one that it was first reached from.
    reached_from: BTreeMap<usize, usize>,
}

impl Slice {
    /// Everything that there is.
    pub(crate) fn all(index: &Index) -> Self {
        Self {
            items: (0..index.items.len()).collect(),
            imports: (0..index.imports.len()).collect(),
            reached_from: BTreeMap::new(),
        }
    }

    /// The items between the one that the slice was made for and `item`, both included.
    pub(crate) fn path_to(&self, item: usize) -> Vec<usize> {
        let back = std::iter::successors(Some(item), |item| self.reached_from.get(item).copied());
        let mut path: Vec<usize> = back.collect();
        path.reverse();
        path
    }

    /// What the item `entry` reaches, itself included, and what the function `init` does, which it names
    /// in its attribute.
    pub(crate) fn of(index: &Index, entry: usize, init: Option<&FunctionPath>) -> Self {
        let mut slicer = Slicer {
            index,
            slice: Self::default(),
            open: VecDeque::new(),
        };
        slicer.keep(entry, None);
        slicer.keep_named(init, entry);
        slicer.run();
        slicer.slice
    }

    /// Whether any path that an item or an import of it mentions is such a one.
    pub(crate) fn mentions(&self, index: &Index, is_such: impl Fn(&[String]) -> bool) -> bool {
        let mut items = self.items.iter();
        let mut imports = self.imports.iter();
        items.any(|&item| {
            let mut mentions = index.items[item].mentions.iter();
            mentions.any(|mention| is_such(&mention.path))
        }) || imports.any(|&import| is_such(&index.imports[import].path))
    }

    /// Takes in another slice of the same index.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.items.extend(&other.items);
        self.imports.extend(&other.imports);
    }
}

/// The functions that a path in the attribute of the item `entry` may mean.
pub(crate) fn functions_named(index: &Index, entry: usize, path: &FunctionPath) -> Vec<usize> {
    let mut slicer = Slicer {
        index,
        slice: Slice::default(),
        open: VecDeque::new(),
    };
    slicer.keep_named(Some(path), entry);
    slicer.slice.items.into_iter().collect()
}

struct Slicer<'a> {
    index: &'a Index,
    slice: Slice,
    /// Kept, but not looked into yet.
    open: VecDeque<usize>,
}

/// What a path means inside the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Item(usize),
    Module(usize),
    /// Something of another crate.
    Outside,
}

impl Slicer<'_> {
    fn run(&mut self) {
        loop {
            while let Some(item) = self.open.pop_front() {
                self.look_into(item);
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

    fn keep_named(&mut self, path: Option<&FunctionPath>, entry: usize) {
        let segments = path.into_iter().flat_map(|path| &path.0.segments);
        let names: Vec<String> = segments.map(|name| name.ident.to_string()).collect();
        if names.is_empty() {
            return;
        }
        for target in self.resolve(self.index.items[entry].module, &names) {
            if let Target::Item(item) = target {
                self.keep(item, Some(entry));
            }
        }
    }

    fn look_into(&mut self, item: usize) {
        let index = self.index;
        let Item {
            module, mentions, ..
        } = &index.items[item];
        for mention in mentions {
            for target in self.resolve(*module, &mention.path) {
                match target {
                    Target::Item(target) => self.keep(target, Some(item)),
                    Target::Module(module) if mention.glob => self.keep_module(module, item),
                    Target::Module(_) | Target::Outside => {}
                }
            }
        }
    }

    /// `use m::*` inside a body: any of the module's items may be meant.
    fn keep_module(&mut self, module: usize, from: usize) {
        for (number, item) in self.index.items.iter().enumerate() {
            if item.module == module && !item.names.is_empty() {
                self.keep(number, Some(from));
            }
        }
    }

    /// Traits with a method of a name that is called somewhere: they may be implemented for types
    /// that are not this crate's, and nothing else need name them.
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

    /// Impls of kept types, and impls of kept traits for types that are not this crate's own.
    fn keep_impls(&mut self) {
        let index = self.index;
        for (number, item) in index.items.iter().enumerate() {
            let Kind::Impl { subject, of_trait } = &item.kind else {
                continue;
            };
            if self.slice.items.contains(&number) {
                continue;
            }
            let subjects = self.items_of(item.module, subject);
            let wanted = match subjects.is_empty() {
                true => self.items_of(item.module, of_trait),
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

    fn items_of(&mut self, module: usize, mentions: &[Mention]) -> Vec<usize> {
        // Only asks, so whatever imports the search passes must not be kept for it.
        let imports = self.slice.imports.clone();
        let targets = mentions
            .iter()
            .flat_map(|mention| self.resolve(module, &mention.path));
        let items = targets
            .filter_map(|target| match target {
                Target::Item(item) => Some(item),
                Target::Module(_) | Target::Outside => None,
            })
            .collect();
        self.slice.imports = imports;
        items
    }

    /// A trait is imported for its methods' sake, and its name need not be mentioned again. Kept
    /// are the imports of kept traits and of std's, wherever something of the module is kept.
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
            for (number, import) in index.imports.iter().enumerate() {
                if import.module == module {
                    let before = self.slice.imports.clone();
                    let targets = self.followed(import, false, &mut Vec::new());
                    match targets
                        .iter()
                        .any(|&target| self.brings_trait(import, target))
                    {
                        true => _ = self.slice.imports.insert(number),
                        false => self.slice.imports = before,
                    }
                    // What a glob brings may have been imported there in turn.
                    open.extend(targets.iter().filter_map(|target| match target {
                        Target::Module(module) if import.glob => Some(*module),
                        _ => None,
                    }));
                }
            }
        }
    }

    fn brings_trait(&self, import: &Import, target: Target) -> bool {
        let kept_trait = |number: usize| {
            self.slice.items.contains(&number)
                && matches!(self.index.items[number].kind, Kind::Trait { .. })
        };
        match target {
            Target::Outside => may_be_std_trait(import),
            Target::Item(item) => kept_trait(item),
            Target::Module(module) if import.glob => {
                let mut items = self.index.items.iter().enumerate();
                let mut imports = self.index.imports.iter();
                items.any(|(number, item)| item.module == module && kept_trait(number))
                    || imports.any(|other| other.module == module && may_be_std_trait(other))
            }
            Target::Module(_) => false,
        }
    }

    /// What `path` means in `module`; keeps the imports on the way.
    fn resolve(&mut self, module: usize, path: &[String]) -> BTreeSet<Target> {
        self.follow(module, path, false, &mut Vec::new())
    }

    /// `leads_on` tells that the path goes on behind its last name, which therefore is a module's
    /// or a type's. `passed` holds the look-ups under way, so that imports in a circle end.
    fn follow(
        &mut self,
        module: usize,
        path: &[String],
        leads_on: bool,
        passed: &mut Vec<(usize, String)>,
    ) -> BTreeSet<Target> {
        let mut targets = BTreeSet::from([Target::Module(module)]);
        for (at, name) in path.iter().enumerate() {
            let leads_on = leads_on || at + 1 < path.len();
            if at == 0 && !matches!(name.as_str(), "crate" | "self" | "super") {
                targets = self.look_around(module, name, leads_on, passed);
                continue;
            }
            targets = targets
                .into_iter()
                .flat_map(|target| match (target, name.as_str()) {
                    // What follows an item is its variant, method or constant.
                    (Target::Item(_) | Target::Outside, _) => BTreeSet::from([target]),
                    (_, "crate") => BTreeSet::from([Target::Module(0)]),
                    (Target::Module(module), "self") => {
                        let module = self.index.scopes(module).last();
                        module.map(Target::Module).into_iter().collect()
                    }
                    (Target::Module(module), "super") => {
                        let parent = self.index.modules[module].parent;
                        parent.map(Target::Module).into_iter().collect()
                    }
                    (Target::Module(module), name) => self.look_up(module, name, leads_on, passed),
                })
                .collect();
        }
        targets
    }

    /// What a path's first name means: what the innermost scope has that knows it.
    fn look_around(
        &mut self,
        module: usize,
        name: &str,
        leads_on: bool,
        passed: &mut Vec<(usize, String)>,
    ) -> BTreeSet<Target> {
        let index = self.index;
        let mut scopes = index.scopes(module);
        let known = scopes.find_map(|scope| {
            let targets = self.look_up(scope, name, leads_on, passed);
            (!targets.is_empty()).then_some(targets)
        });
        known.unwrap_or_default()
    }

    fn look_up(
        &mut self,
        module: usize,
        name: &str,
        leads_on: bool,
        passed: &mut Vec<(usize, String)>,
    ) -> BTreeSet<Target> {
        let step = (module, name.to_owned());
        if passed.contains(&step) {
            return BTreeSet::new();
        }
        passed.push(step);
        let mut targets = self.declared(module, name);
        let index = self.index;
        for number in index.imports_of(module, name) {
            targets.extend(self.imported(number, name, leads_on, passed));
        }
        passed.pop();
        targets
    }

    fn declared(&self, module: usize, name: &str) -> BTreeSet<Target> {
        let items = self.index.items_named(module, name).map(Target::Item);
        let modules = self.index.modules_named(module, name).map(Target::Module);
        items.chain(modules).collect()
    }

    /// What `name` means by way of one import of its module.
    fn imported(
        &mut self,
        number: usize,
        name: &str,
        leads_on: bool,
        passed: &mut Vec<(usize, String)>,
    ) -> BTreeSet<Target> {
        let import = &self.index.imports[number];
        if import.name.as_deref() == Some(name) {
            if !leads_on && is_std_module(import) {
                return BTreeSet::new();
            }
            self.slice.imports.insert(number);
            return self.followed(import, leads_on, passed);
        }
        if !import.glob {
            return BTreeSet::new();
        }
        let targets = self.imported_by_glob(import, name, leads_on, passed);
        if !targets.is_empty() {
            self.slice.imports.insert(number);
        }
        targets
    }

    /// What an import's path means; a path that nothing in the crate answers to leads out of it.
    fn followed(
        &mut self,
        import: &Import,
        leads_on: bool,
        passed: &mut Vec<(usize, String)>,
    ) -> BTreeSet<Target> {
        let targets = self.follow(import.module, &import.path, leads_on, passed);
        match targets.is_empty() {
            true => BTreeSet::from([Target::Outside]),
            false => targets,
        }
    }

    fn imported_by_glob(
        &mut self,
        import: &Import,
        name: &str,
        leads_on: bool,
        passed: &mut Vec<(usize, String)>,
    ) -> BTreeSet<Target> {
        let from = self.followed(import, true, passed);
        from.into_iter()
            .flat_map(|target| match target {
                Target::Module(module) => self.look_up(module, name, leads_on, passed),
                Target::Outside => BTreeSet::new(),
                Target::Item(item) => match &self.index.items[item].kind {
                    Kind::Enum { variants } if variants.iter().any(|variant| variant == name) => {
                        BTreeSet::from([target])
                    }
                    _ => BTreeSet::new(),
                },
            })
            .collect()
    }
}

/// Whether the import is of a module right below `std`'s root. Such a name alone, without `::`
/// behind it, is a variable's.
fn is_std_module(import: &Import) -> bool {
    match import.path.as_slice() {
        [root, name] => is_std(root) && name.starts_with(char::is_lowercase),
        _ => false,
    }
}

fn is_std(root: &str) -> bool {
    matches!(root, "std" | "core" | "alloc")
}

/// The traits that `std` has besides those of its prelude. There are too few to need a look at std.
const STD_TRAITS: [&str; 40] = [
    "Add",
    "AddAssign",
    "Any",
    "AsciiExt",
    "BitAnd",
    "BitOr",
    "BitXor",
    "Borrow",
    "BorrowMut",
    "BufRead",
    "BuildHasher",
    "Debug",
    "Deref",
    "DerefMut",
    "Display",
    "Div",
    "Error",
    "FromIterator",
    "FromStr",
    "Hash",
    "Hasher",
    "Index",
    "IndexMut",
    "LowerHex",
    "Mul",
    "Neg",
    "Not",
    "Product",
    "Read",
    "RangeBounds",
    "Rem",
    "Seek",
    "Shl",
    "Shr",
    "SliceIndex",
    "Sub",
    "Sum",
    "TryFrom",
    "TryInto",
    "Write",
];

/// Whether an import that leads out of the crate may be there for a trait's methods.
fn may_be_std_trait(import: &Import) -> bool {
    let from_std = import.path.first().is_some_and(|root| is_std(root));
    let last = import.path.last().map(String::as_str).unwrap_or_default();
    from_std && (import.glob || STD_TRAITS.contains(&last))
}

#[cfg(test)]
mod tests;
