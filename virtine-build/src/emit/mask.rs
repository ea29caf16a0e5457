//! The user's source files with everything outside the slice blanked.
//!
//! Blanks keep every other byte on its line and column. With `--remap-path-prefix` the compiler's errors,
//! panics and backtraces therefore name the user's own files.

use std::collections::BTreeSet;
use std::ops::Range;

use syn::UseTree;
use syn::spanned::Spanned as _;

use crate::emit::edits::{Insertion, Insertions};
use crate::emit::removals::{Removals, RemovedPart, stub_symbol};
use crate::emit::shim::Shim;
use crate::index::item::{Item, Module, SourceRange, Use};
use crate::index::parts::{Part, PartKind};
use crate::index::table::Index;
use crate::slice::Slice;
use crate::source::files::SourceFile;

/// The bytes of each file that stay, and the insertions.
#[derive(Default)]
pub(crate) struct Mask {
    /// Bytes that stay.
    kept: Vec<SourceRange>,
    /// Bytes inside these that are blanked anyway.
    blanks: Vec<SourceRange>,
    pub(crate) insertions: Insertions,
}

impl Mask {
    /// `runtime` is the path of virtine-rt in the guest.
    pub(crate) fn new(
        index: &Index,
        slice: &Slice,
        removals: &Removals,
        shims: &[Shim<'_>],
        runtime: &str,
    ) -> Self {
        let mut mask = Self::default();
        let mut modules = BTreeSet::new();
        for &number in &slice.items {
            let item = &index.items[number];
            mask.keep_item(item);
            modules.insert(item.module);
        }
        let imports = slice.imports.iter();
        modules.extend(imports.map(|&import| index.imports[import].module));
        mask.keep_frames(index, slice, modules);
        mask.keep_uses(index, slice, removals);
        for shim in shims {
            let range = &index.items[shim.item].range;
            mask.insertions.push(Insertion {
                file: range.file,
                at: range.bytes.end,
                text: shim.source(runtime),
                shim: Some(shim.item),
            });
        }
        for (number, removed) in removals.parts.iter().enumerate() {
            mask.remove(number, removed, &removals.parts[..number], runtime);
        }
        mask
    }

    fn blank(&mut self, file: usize, bytes: Range<usize>) {
        self.blanks.push(SourceRange { file, bytes });
    }

    /// Keeps an item without its `#[virtine]` attributes. The body of a host function is replaced by a call to the
    /// host.
    fn keep_item(&mut self, item: &Item) {
        let file = item.range.file;
        self.kept.push(item.range.clone());
        for bytes in &item.attributes {
            self.blank(file, bytes.clone());
        }
        let mut parts = item.parts.iter();
        let body = parts.find(|part| part.kind == PartKind::Body);
        if let (Some(text), Some(Part { bytes, .. })) = (&item.stub, body) {
            self.blank(file, bytes.clone());
            let stub = Insertion::new(file, bytes.start, text.clone());
            self.insertions.push(stub);
        }
    }

    /// Blanks a removed part. A stub replaces a body, unless one of the parts removed `before` covers it.
    fn remove(
        &mut self,
        number: usize,
        removed: &RemovedPart,
        before: &[RemovedPart],
        runtime: &str,
    ) {
        let RemovedPart { file, part, .. } = removed;
        self.blank(*file, part.bytes.clone());
        self.insertions.drop_inside(*file, &part.bytes);
        let is_covered = before.iter().any(|other| other.covers(removed));
        if part.kind == PartKind::Body && !is_covered {
            let symbol = stub_symbol(number);
            let text = format!("{{ {runtime}::__virtine_absent! {{ {symbol:?} }} }}");
            self.insertions
                .push(Insertion::new(*file, part.bytes.start, text));
        }
    }

    /// Keeps the declarations of modules and of the modules around them.
    fn keep_frames(&mut self, index: &Index, slice: &Slice, modules: BTreeSet<usize>) {
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
                self.kept.extend(frame.iter().cloned());
                next = match block {
                    None => *parent,
                    Some(block) if slice.items.contains(&block.owner) => None,
                    Some(block) => {
                        self.replace_by_constant(&block.range);
                        Some(block.scope)
                    }
                };
            }
        }
    }

    /// Turns a body, of which only nested items are kept, into the value of a constant.
    fn replace_by_constant(&mut self, body: &SourceRange) {
        let Range { start, end } = body.bytes;
        for (at, text) in [(start, "const _: () = {"), (end, "};")] {
            self.insertions
                .push(Insertion::new(body.file, at, text.to_owned()));
        }
    }

    /// Keeps the imports of the slice, and those in kept bodies.
    fn keep_uses(&mut self, index: &Index, slice: &Slice, removals: &Removals) {
        for item in &index.uses {
            let inside_kept = is_inside_kept(index, slice, item);
            let is_kept = |import: usize| {
                let stays = inside_kept || slice.imports.contains(&import);
                stays && !removals.imports.contains_key(&import)
            };
            let kept: Vec<bool> = item.imports.clone().map(is_kept).collect();
            if !kept.contains(&true) {
                self.blanks.push(item.range.clone());
                continue;
            }
            self.kept.push(item.range.clone());
            let mut blanks = Vec::new();
            find_unused(&item.tree, &mut kept.into_iter(), &mut blanks);
            for bytes in blanks {
                self.blank(item.range.file, bytes);
            }
        }
    }

    /// The text of a file with one blank for each character that does not stay.
    pub(crate) fn apply(&self, file: usize, source: &SourceFile) -> String {
        let keep = self.kept_bytes(file, source);
        let mut text = String::with_capacity(source.text.len());
        let mut insertions = self.insertions.in_file(file).into_iter().peekable();
        for (at, character) in source.text.char_indices() {
            while let Some(insertion) = insertions.next_if(|insertion| insertion.at <= at) {
                text.push_str(&insertion.text);
            }
            let stays = keep[at] || matches!(character, '\n' | '\r');
            text.push(if stays { character } else { ' ' });
        }
        insertions.for_each(|insertion| text.push_str(&insertion.text));
        text
    }

    /// For each byte of a file, whether it stays.
    fn kept_bytes(&self, file: usize, source: &SourceFile) -> Vec<bool> {
        let mut keep = vec![false; source.text.len()];
        for (ranges, stays) in [(&self.kept, true), (&self.blanks, false)] {
            for range in ranges.iter().filter(|range| range.file == file) {
                keep[range.bytes.clone()].fill(stays);
            }
        }
        keep
    }
}

/// Whether a `use` is in the body of an item that is kept as a whole.
fn is_inside_kept(index: &Index, slice: &Slice, item: &Use) -> bool {
    let mut scopes = index.scopes(item.module);
    scopes.any(|scope| {
        let block = index.modules[scope].block.as_ref();
        block.is_some_and(|block| slice.items.contains(&block.owner))
    })
}

/// Adds the unused parts of a `use` tree to `blanks`. `kept` says for each import of the tree, in order, whether it
/// stays. Returns whether any of them stays.
fn find_unused(
    tree: &UseTree,
    kept: &mut impl Iterator<Item = bool>,
    blanks: &mut Vec<Range<usize>>,
) -> bool {
    match tree {
        UseTree::Path(path) => find_unused(&path.tree, kept, blanks),
        UseTree::Name(_) | UseTree::Rename(_) | UseTree::Glob(_) => kept.next().unwrap_or(false),
        UseTree::Group(group) => {
            let mut any = false;
            for pair in group.items.pairs() {
                let (tree, comma) = pair.into_tuple();
                let stays = find_unused(tree, kept, blanks);
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
