//! Name resolution: what a path may mean in a module.

use std::collections::BTreeSet;

use crate::index::item::{Import, Kind};
use crate::index::table::Index;
use crate::slice::std_traits::is_std_module;
use crate::syntax::FunctionPath;

/// What a path may mean inside the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Definition {
    Item(usize),
    Module(usize),
    /// Something in another crate.
    External,
}

type Definitions = BTreeSet<Definition>;

/// The result of resolving one path.
#[derive(Default)]
pub(super) struct Resolution {
    /// All that the path may mean.
    pub(super) definitions: Definitions,
    /// The imports on the way, by number.
    pub(super) imports: BTreeSet<usize>,
}

impl Resolution {
    /// The items among the definitions.
    pub(super) fn items(&self) -> impl Iterator<Item = usize> {
        let definitions = self.definitions.iter();
        definitions.filter_map(|definition| match definition {
            Definition::Item(item) => Some(*item),
            Definition::Module(_) | Definition::External => None,
        })
    }
}

/// What `path` may mean in `module`.
pub(super) fn resolve(index: &Index, module: usize, path: &[String]) -> Resolution {
    Search::run(index, |search| search.follow(module, path, false))
}

/// What the path of an import may mean.
pub(super) fn resolve_import(index: &Index, import: &Import) -> Resolution {
    Search::run(index, |search| search.follow_import(import, false))
}

/// What a path in the attribute of the item `entry` may mean.
pub(super) fn resolve_in_attribute(index: &Index, entry: usize, path: &FunctionPath) -> Resolution {
    let names = path.0.segments.iter().map(|name| name.ident.to_string());
    let names: Vec<String> = names.collect();
    match names.is_empty() {
        true => Resolution::default(),
        false => resolve(index, index.items[entry].module, &names),
    }
}

/// One resolution in progress.
///
/// In its methods, `leads_on` means that the path continues after its last name, which therefore is the name of a
/// module or a type.
struct Search<'a> {
    index: &'a Index,
    imports: BTreeSet<usize>,
    /// The lookups in progress. They end cycles of imports.
    under_way: Vec<(usize, String)>,
}

impl<'a> Search<'a> {
    fn run(index: &'a Index, find: impl FnOnce(&mut Self) -> Definitions) -> Resolution {
        let mut search = Self {
            index,
            imports: BTreeSet::new(),
            under_way: Vec::new(),
        };
        Resolution {
            definitions: find(&mut search),
            imports: search.imports,
        }
    }

    fn follow(&mut self, module: usize, path: &[String], leads_on: bool) -> Definitions {
        let mut definitions = BTreeSet::from([Definition::Module(module)]);
        for (at, name) in path.iter().enumerate() {
            let leads_on = leads_on || at + 1 < path.len();
            definitions = match name.as_str() {
                "crate" | "self" | "super" => self.step(definitions, name, leads_on),
                _ if at == 0 => self.look_around(module, name, leads_on),
                _ => self.step(definitions, name, leads_on),
            };
        }
        definitions
    }

    /// What `name` means after a path that means `before`.
    fn step(&mut self, before: Definitions, name: &str, leads_on: bool) -> Definitions {
        let found = before.into_iter();
        found
            .flat_map(|definition| match (definition, name) {
                // A variant, method or constant follows an item.
                (Definition::Item(_) | Definition::External, _) => BTreeSet::from([definition]),
                (_, "crate") => BTreeSet::from([Definition::Module(0)]),
                (Definition::Module(module), "self") => {
                    let module = self.index.scopes(module).last();
                    module.map(Definition::Module).into_iter().collect()
                }
                (Definition::Module(module), "super") => {
                    let parent = self.index.modules[module].parent;
                    parent.map(Definition::Module).into_iter().collect()
                }
                (Definition::Module(module), name) => self.look_up(module, name, leads_on),
            })
            .collect()
    }

    /// What the first name of a path means, according to the innermost scope that defines it.
    fn look_around(&mut self, module: usize, name: &str, leads_on: bool) -> Definitions {
        let index = self.index;
        let mut scopes = index.scopes(module);
        let known = scopes.find_map(|scope| {
            let definitions = self.look_up(scope, name, leads_on);
            (!definitions.is_empty()).then_some(definitions)
        });
        known.unwrap_or_default()
    }

    fn look_up(&mut self, module: usize, name: &str, leads_on: bool) -> Definitions {
        let step = (module, name.to_owned());
        if self.under_way.contains(&step) {
            return BTreeSet::new();
        }
        self.under_way.push(step);
        let mut definitions = self.declared(module, name);
        let index = self.index;
        for number in index.imports_of(module, name) {
            definitions.extend(self.imported(number, name, leads_on));
        }
        self.under_way.pop();
        definitions
    }

    fn declared(&self, module: usize, name: &str) -> Definitions {
        let items = self.index.items_named(module, name);
        let modules = self.index.modules_named(module, name);
        items
            .map(Definition::Item)
            .chain(modules.map(Definition::Module))
            .collect()
    }

    /// What `name` means through one import of its module.
    fn imported(&mut self, number: usize, name: &str, leads_on: bool) -> Definitions {
        let import = &self.index.imports[number];
        if import.name.as_deref() == Some(name) {
            if !leads_on && is_std_module(import) {
                return BTreeSet::new();
            }
            self.imports.insert(number);
            return self.follow_import(import, leads_on);
        }
        if !import.glob {
            return BTreeSet::new();
        }
        let definitions = self.imported_by_glob(import, name, leads_on);
        if !definitions.is_empty() {
            self.imports.insert(number);
        }
        definitions
    }

    /// What the path of an import means. A path that nothing in the crate matches leads out of it.
    fn follow_import(&mut self, import: &Import, leads_on: bool) -> Definitions {
        let definitions = self.follow(import.module, &import.path, leads_on);
        match definitions.is_empty() {
            true => BTreeSet::from([Definition::External]),
            false => definitions,
        }
    }

    fn imported_by_glob(&mut self, import: &Import, name: &str, leads_on: bool) -> Definitions {
        let from = self.follow_import(import, true);
        let found = from.into_iter();
        found
            .flat_map(|definition| match definition {
                Definition::Module(module) => self.look_up(module, name, leads_on),
                Definition::Item(item) if self.has_variant(item, name) => {
                    BTreeSet::from([definition])
                }
                Definition::Item(_) | Definition::External => BTreeSet::new(),
            })
            .collect()
    }

    fn has_variant(&self, item: usize, name: &str) -> bool {
        match &self.index.items[item].kind {
            Kind::Enum { variants } => variants.iter().any(|variant| variant == name),
            _ => false,
        }
    }
}
