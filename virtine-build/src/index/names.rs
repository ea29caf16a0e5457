//! What is where by what name: each step of a look-up asks.

use std::collections::HashMap;

use crate::index::{Index, Kind};

/// The names of one index.
#[derive(Default)]
pub(super) struct Names {
    pub(super) items: HashMap<(usize, String), Vec<usize>>,
    pub(super) macros: HashMap<String, Vec<usize>>,
    pub(super) modules: HashMap<(usize, String), Vec<usize>>,
    pub(super) imports: HashMap<(usize, String), Vec<usize>>,
    /// Of each module, those that bring unknown names.
    pub(super) globs: HashMap<usize, Vec<usize>>,
}

impl Names {
    pub(super) fn of(index: &Index) -> Self {
        let mut names = Self::default();
        for (number, item) in index.items.iter().enumerate() {
            for name in &item.names {
                match item.kind {
                    Kind::Macro { .. } => names.macros.entry(name.clone()).or_default(),
                    _ => names.items.entry((item.module, name.clone())).or_default(),
                }
                .push(number);
            }
        }
        for (number, module) in index.modules.iter().enumerate() {
            if let (Some(parent), Some(name), None) =
                (module.parent, module.path.last(), &module.block)
            {
                let modules = names.modules.entry((parent, name.clone()));
                modules.or_default().push(number);
            }
        }
        for (number, import) in index.imports.iter().enumerate() {
            if let Some(name) = &import.name {
                let imports = names.imports.entry((import.module, name.clone()));
                imports.or_default().push(number);
            }
            if import.glob {
                names.globs.entry(import.module).or_default().push(number);
            }
        }
        names
    }
}
