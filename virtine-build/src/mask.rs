//! The user's source files with everything outside the slice blanked.
//!
//! Blanked, not printed anew: every kept byte stays on its line and column, so that with
//! `--remap-path-prefix` the compiler's errors, panics and backtraces name the user's own files.

use std::collections::BTreeSet;
use std::ops::Range;

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::UseTree;
use syn::spanned::Spanned as _;

use crate::index::{Index, Item, Module, Place, Use};
use crate::parts::{Part, PartKind};
use crate::prune::{Pruned, Taken};
use crate::slice::Slice;
use crate::source::SourceFile;
use crate::syntax::{Form, Function, FunctionPath};

/// One function's place in a guest crate.
pub(crate) struct Entry<'a> {
    /// The function's number in the index.
    pub(crate) item: usize,
    pub(crate) name: String,
    pub(crate) function: &'a Function,
    /// What the linker knows the function's shim by.
    pub(crate) symbol: String,
    /// What runs before the snapshot.
    pub(crate) init: Option<&'a FunctionPath>,
}

/// What stays of each file, and what is put in.
pub(crate) struct Mask {
    /// Kept bytes.
    ranges: Vec<Place>,
    /// Bytes inside those that go all the same.
    blanks: Vec<Place>,
    pub(crate) additions: Additions,
}

impl Mask {
    pub(crate) fn new(
        index: &Index,
        slice: &Slice,
        pruned: &Pruned,
        entries: &[Entry<'_>],
        runtime: &str,
    ) -> Self {
        let mut kept = Self {
            ranges: Vec::new(),
            blanks: Vec::new(),
            additions: Additions::default(),
        };
        let mut modules = BTreeSet::new();
        for &number in &slice.items {
            let item = &index.items[number];
            let file = item.place.file;
            kept.ranges.push(item.place.clone());
            kept.blanks
                .extend(item.attributes.iter().map(|bytes| Place {
                    file,
                    bytes: bytes.clone(),
                }));
            modules.insert(item.module);
            kept.stub(item);
        }
        for (number, import) in index.imports.iter().enumerate() {
            if slice.imports.contains(&number) {
                modules.insert(import.module);
            }
        }
        kept.frames(index, slice, modules);
        kept.uses(index, slice, pruned);
        for entry in entries {
            let place = &index.items[entry.item].place;
            kept.additions.0.push(Addition {
                file: place.file,
                at: place.bytes.end,
                text: shim(entry, runtime),
                shim: Some(entry.item),
            });
        }
        kept.prune(pruned, runtime);
        kept
    }

    /// Puts a call of the host in the place of the body of a function that is the host's.
    fn stub(&mut self, item: &Item) {
        let mut parts = item.parts.iter();
        let body = parts.find(|part| part.kind == PartKind::Body);
        if let (Some(text), Some(Part { bytes, .. })) = (&item.stub, body) {
            self.blanks.push(Place {
                file: item.place.file,
                bytes: bytes.clone(),
            });
            self.additions.0.push(Addition {
                file: item.place.file,
                at: bytes.start,
                text: text.clone(),
                shim: None,
            });
        }
    }

    fn prune(&mut self, pruned: &Pruned, runtime: &str) {
        for (number, taken) in pruned.parts.iter().enumerate() {
            let Taken { file, part, .. } = taken;
            self.blanks.push(Place {
                file: *file,
                bytes: part.bytes.clone(),
            });
            // Text that went into what is now gone goes as well.
            self.additions.0.retain(|one| {
                let inside = (part.bytes.start..part.bytes.end).contains(&one.at);
                one.shim.is_some() || one.file != *file || !inside
            });
            // Nor does any go in where the whole is gone already.
            let stays = !pruned.parts[..number].iter().any(|other| {
                let (outer, inner) = (&other.part.bytes, &part.bytes);
                other.file == *file && outer.start <= inner.start && inner.end <= outer.end
            });
            if part.kind == PartKind::Body && stays {
                let mark = Pruned::mark(number);
                self.additions.0.push(Addition {
                    file: *file,
                    at: part.bytes.start,
                    text: format!("{{ {runtime}::__virtine_absent! {{ {mark:?} }} }}"),
                    shim: None,
                });
            }
        }
    }

    fn frames(&mut self, index: &Index, slice: &Slice, modules: BTreeSet<usize>) {
        let mut framed = BTreeSet::new();
        for module in modules {
            let mut next = Some(module);
            while let Some(module) = next.filter(|&module| framed.insert(module)) {
                let Module {
                    frame,
                    parent,
                    block,
                    ..
                } = &index.modules[module];
                self.ranges.extend(frame.iter().cloned());
                next = match block {
                    None => *parent,
                    Some(block) if slice.items.contains(&block.owner) => None,
                    Some(block) => {
                        self.stand_in(&block.place);
                        Some(block.scope)
                    }
                };
            }
        }
    }

    /// Has a constant take the place of a body of which nothing else is kept.
    fn stand_in(&mut self, body: &Place) {
        let Range { start, end } = body.bytes;
        for (at, text) in [(start, "const _: () = {"), (end, "};")] {
            self.additions.0.push(Addition {
                file: body.file,
                at,
                text: text.to_owned(),
                shim: None,
            });
        }
    }

    fn uses(&mut self, index: &Index, slice: &Slice, pruned: &Pruned) {
        for item in &index.uses {
            let inside_kept = is_inside_kept(index, slice, item);
            let is_kept = |import: usize| {
                let stays = inside_kept || slice.imports.contains(&import);
                stays && !pruned.imports.contains_key(&import)
            };
            let kept: Vec<bool> = item.imports.clone().map(is_kept).collect();
            if !kept.contains(&true) {
                self.blanks.push(item.place.clone());
                continue;
            }
            self.ranges.push(item.place.clone());
            let mut blanks = Vec::new();
            unused(&item.tree, &mut kept.into_iter(), &mut blanks);
            let file = item.place.file;
            self.blanks
                .extend(blanks.into_iter().map(|bytes| Place { file, bytes }));
        }
    }

    /// The file's text with all but the kept bytes blanked, one space for each character.
    pub(crate) fn apply(&self, file: usize, source: &SourceFile) -> String {
        let mut keep = vec![false; source.text.len()];
        let in_file = |places: &[Place]| -> Vec<Range<usize>> {
            places
                .iter()
                .filter(|place| place.file == file)
                .map(|place| place.bytes.clone())
                .collect()
        };
        in_file(&self.ranges)
            .into_iter()
            .for_each(|range| keep[range].fill(true));
        in_file(&self.blanks)
            .into_iter()
            .for_each(|range| keep[range].fill(false));
        let mut text = String::with_capacity(source.text.len());
        let mut additions = self.additions.in_file(file).into_iter().peekable();
        for (at, character) in source.text.char_indices() {
            while let Some(addition) = additions.next_if(|addition| addition.at <= at) {
                text.push_str(&addition.text);
            }
            let stays = keep[at] || matches!(character, '\n' | '\r');
            text.push(if stays { character } else { ' ' });
        }
        additions.for_each(|addition| text.push_str(&addition.text));
        text
    }
}

/// Whether a `use` stands in the body of something that is kept as a whole.
fn is_inside_kept(index: &Index, slice: &Slice, item: &Use) -> bool {
    let mut scopes = index.scopes(item.module);
    scopes.any(|scope| {
        let block = index.modules[scope].block.as_ref();
        block.is_some_and(|block| slice.items.contains(&block.owner))
    })
}

/// Text that is put in.
#[derive(Default)]
pub(crate) struct Additions(Vec<Addition>);

/// One piece of it.
pub(crate) struct Addition {
    pub(crate) file: usize,
    /// Before which byte of the file.
    pub(crate) at: usize,
    /// Without line breaks.
    pub(crate) text: String,
    /// Of which virtine it is the shim, by item; `None` for a stub.
    pub(crate) shim: Option<usize>,
}

impl Additions {
    /// By place; those of one place in the order in which they came.
    fn in_file(&self, file: usize) -> Vec<&Addition> {
        let mut found: Vec<&Addition> = self.0.iter().filter(|one| one.file == file).collect();
        found.sort_by_key(|one| one.at);
        found
    }

    /// Those on the line of `text` that starts at byte `start`, from left to right.
    pub(crate) fn on_line(&self, file: usize, text: &str, start: usize) -> Vec<&Addition> {
        let end = text[start..]
            .find('\n')
            .map_or(text.len(), |length| start + length);
        let mut found: Vec<&Addition> = self
            .0
            .iter()
            .filter(|one| one.file == file && (start..=end).contains(&one.at))
            .collect();
        found.sort_by_key(|one| one.at);
        found
    }
}

/// Adds to `blanks` what must go of a `use` tree, given for each of its imports, in order, whether
/// it stays. Returns whether any of the tree does.
fn unused(
    tree: &UseTree,
    kept: &mut impl Iterator<Item = bool>,
    blanks: &mut Vec<Range<usize>>,
) -> bool {
    match tree {
        UseTree::Path(path) => unused(&path.tree, kept, blanks),
        UseTree::Name(_) | UseTree::Rename(_) | UseTree::Glob(_) => kept.next().unwrap_or(false),
        UseTree::Group(group) => {
            let mut any = false;
            for pair in group.items.pairs() {
                let (tree, comma) = pair.into_tuple();
                let stays = unused(tree, kept, blanks);
                any |= stays;
                if !stays {
                    blanks.push(tree.span().byte_range());
                    blanks.extend(comma.map(|comma| comma.span.byte_range()));
                }
            }
            any
        }
    }
}

/// What the linker knows the start of a function's guests by that has an initialisation of its own, from
/// what it knows its calls by.
pub(crate) fn start_symbol(symbol: &str) -> String {
    format!("{symbol}.start")
}

/// Goes on the function's last line, so no other line moves.
fn shim(entry: &Entry<'_>, runtime: &str) -> String {
    let parameters = entry.function.parameters.iter().enumerate();
    let module = format!("{runtime}::codec::form");
    let module: TokenStream = module.parse().unwrap_or_default();
    let form = |form: &Form| form.tokens(&module).unwrap_or_default();
    let parameters: Vec<String> = parameters
        .map(|(number, parameter)| {
            let passing = parameter.passing.name();
            format!("(argument{number} {passing} {})", form(&parameter.form))
        })
        .collect();
    let init = entry.init.map(|path| {
        let path = path.0.to_token_stream();
        format!("{:?} {path}", start_symbol(&entry.symbol))
    });
    format!(
        " {runtime}::__virtine_entry! {{ {} {:?} {} -> {} {}; {} }}",
        entry.name,
        entry.symbol,
        parameters.join(" "),
        entry.function.result.name(),
        form(&entry.function.result_form),
        init.unwrap_or_default(),
    )
}
