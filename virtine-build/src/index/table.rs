//! The index of a crate, and the queries on it.

use std::collections::BTreeSet;

use syn::Meta;

use crate::index::item::{Import, Item, Kind, Module, Use};
use crate::index::names::Names;

/// Everything in a crate that a slice can contain.
#[derive(Default)]
pub(crate) struct Index {
    /// Number 0 is the root. A parent comes before its children.
    pub(crate) modules: Vec<Module>,
    pub(crate) items: Vec<Item>,
    pub(crate) imports: Vec<Import>,
    /// The `use` declarations of the imports.
    pub(crate) uses: Vec<Use>,
    names: Names,
}

impl Index {
    /// Whether a module imports this name and also contains a module of this name.
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

    /// Completes an index after the last item was added: names the items that macros define, and fills the
    /// tables of names.
    pub(super) fn finish(&mut self) {
        self.name_macro_items();
        self.names = Names::of(&self.modules, &self.items, &self.imports);
    }

    /// The items of a module with this name. Macros are in scope everywhere.
    pub(crate) fn items_named(&self, module: usize, name: &str) -> impl Iterator<Item = usize> {
        let own = self.names.items.get(&(module, name.to_owned()));
        let macros = self.names.macros.get(name);
        own.into_iter().chain(macros).flatten().copied()
    }

    /// The modules with this name directly below a module.
    pub(crate) fn modules_named(&self, parent: usize, name: &str) -> impl Iterator<Item = usize> {
        let modules = self.names.modules.get(&(parent, name.to_owned()));
        modules.into_iter().flatten().copied()
    }

    /// The imports of a module that may import `name`.
    pub(crate) fn imports_of(&self, module: usize, name: &str) -> impl Iterator<Item = usize> {
        let named = self.names.imports.get(&(module, name.to_owned()));
        let globs = self.names.globs.get(&module);
        named.into_iter().chain(globs).flatten().copied()
    }

    /// The scopes in which a name is looked up, in this order: a block is followed by its enclosing scope.
    pub(crate) fn scopes(&self, module: usize) -> impl Iterator<Item = usize> {
        let outer = |&module: &usize| Some(self.modules[module].block.as_ref()?.scope);
        std::iter::successors(Some(module), outer)
    }

    fn name_macro_items(&mut self) {
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

    /// The functions that are virtines, with their attributes.
    pub(crate) fn virtines(&self) -> impl Iterator<Item = (usize, &syn::ItemFn, &Meta)> {
        let items = self.items.iter().enumerate();
        items.filter_map(|(number, item)| match &item.kind {
            Kind::Function(function) => Some((number, &**function, item.virtine.as_ref()?)),
            _ => None,
        })
    }
}
