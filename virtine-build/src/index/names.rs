//! Tables from names to items, modules and imports. Each step of name resolution uses them.

use std::collections::HashMap;
use std::hash::Hash;

use crate::index::item::{Import, Item, Kind, Module};

/// The names in a crate.
#[derive(Default)]
pub(super) struct Names {
    pub(super) items: HashMap<(usize, String), Vec<usize>>,
    pub(super) macros: HashMap<String, Vec<usize>>,
    pub(super) modules: HashMap<(usize, String), Vec<usize>>,
    pub(super) imports: HashMap<(usize, String), Vec<usize>>,
    /// The glob imports of each module.
    pub(super) globs: HashMap<usize, Vec<usize>>,
}

impl Names {
    pub(super) fn of(modules: &[Module], items: &[Item], imports: &[Import]) -> Self {
        let mut names = Self::default();
        for (number, item) in items.iter().enumerate() {
            for name in item.names.iter().cloned() {
                match item.kind {
                    Kind::Macro { .. } => add(&mut names.macros, name, number),
                    _ => add(&mut names.items, (item.module, name), number),
                }
            }
        }
        for (number, module) in modules.iter().enumerate() {
            let name = module.path.last().filter(|_| module.block.is_none());
            if let (Some(parent), Some(name)) = (module.parent, name) {
                add(&mut names.modules, (parent, name.clone()), number);
            }
        }
        for (number, import) in imports.iter().enumerate() {
            if let Some(name) = &import.name {
                add(&mut names.imports, (import.module, name.clone()), number);
            }
            if import.glob {
                add(&mut names.globs, import.module, number);
            }
        }
        names
    }
}

fn add<K: Eq + Hash>(table: &mut HashMap<K, Vec<usize>>, name: K, number: usize) {
    table.entry(name).or_default().push(number);
}
