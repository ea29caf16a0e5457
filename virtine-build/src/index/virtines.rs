//! Finds `#[virtine]` attributes, and virtines inside bodies.

use std::borrow::Cow;
use std::ops::Range;

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Item, Meta};

use crate::cargo::target::UnitTests;
use crate::index::kind::attributes;
use crate::source::cfg::Cfg;
use crate::syntax;

/// The relevant attributes of an item.
pub(super) struct Attributes {
    /// The item is certainly not part of a guest.
    pub(super) excluded: bool,
    /// The attribute `#[virtine]`.
    pub(super) virtine: Option<Meta>,
}

impl Attributes {
    pub(super) fn of(attributes: &[Attribute], cfg: &Cfg, unit_tests: UnitTests) -> Self {
        Self {
            excluded: is_excluded(attributes, cfg, unit_tests),
            virtine: attributes.iter().find_map(|one| virtine(one, cfg)),
        }
    }
}

fn is_excluded(attributes: &[Attribute], cfg: &Cfg, unit_tests: UnitTests) -> bool {
    let is_test = |attribute: &Attribute| {
        let last = attribute.path().segments.last();
        last.is_some_and(|last| last.ident == "test" || last.ident == "bench")
    };
    cfg.excludes(attributes) || unit_tests == UnitTests::Excluded && attributes.iter().any(is_test)
}

/// The attribute `#[virtine]`, also inside `#[cfg_attr]`.
fn virtine(attribute: &Attribute, cfg: &Cfg) -> Option<Meta> {
    cfg.applied(attribute)
        .into_iter()
        .find(|meta| syntax::is_virtine(meta.path()))
}

/// The item as the guest sees it.
pub(super) fn without_virtine<'a>(item: &'a Item, cfg: &Cfg) -> Cow<'a, Item> {
    match item {
        Item::Fn(function) if function.attrs.iter().any(|one| virtine(one, cfg).is_some()) => {
            let mut function = function.clone();
            function.attrs.retain(|one| virtine(one, cfg).is_none());
            Cow::Owned(Item::Fn(function))
        }
        _ => Cow::Borrowed(item),
    }
}

/// The ranges of all `#[virtine]` attributes on the item and in its body.
pub(super) fn virtine_attributes(item: &Item, cfg: &Cfg) -> Vec<Range<usize>> {
    struct Finder<'a> {
        cfg: &'a Cfg,
        found: Vec<Range<usize>>,
    }
    impl<'ast> Visit<'ast> for Finder<'_> {
        fn visit_attribute(&mut self, attribute: &'ast Attribute) {
            if virtine(attribute, self.cfg).is_some() {
                self.found.push(attribute.span().byte_range());
            }
        }
    }
    let mut finder = Finder {
        cfg,
        found: Vec::new(),
    };
    finder.visit_item(item);
    finder.found
}

/// The outermost blocks in an item's bodies that contain virtines, directly or deeper.
pub(super) fn blocks<'a>(item: &'a Item, cfg: &'a Cfg, unit_tests: UnitTests) -> Vec<&'a Block> {
    let mut finder = Blocks::new(cfg, unit_tests);
    // The walk visits modules itself.
    if !matches!(item, Item::Mod(_)) {
        visit::visit_item(&mut finder, item);
    }
    finder.found
}

/// Like [`blocks`], but inside a block and without the items in it.
pub(super) fn blocks_below<'a>(
    block: &'a Block,
    cfg: &'a Cfg,
    unit_tests: UnitTests,
) -> Vec<&'a Block> {
    let mut finder = Blocks::new(cfg, unit_tests);
    visit::visit_block(&mut finder, block);
    finder.found
}

struct Blocks<'a> {
    cfg: &'a Cfg,
    unit_tests: UnitTests,
    found: Vec<&'a Block>,
}

impl<'a> Blocks<'a> {
    fn new(cfg: &'a Cfg, unit_tests: UnitTests) -> Self {
        Self {
            cfg,
            unit_tests,
            found: Vec::new(),
        }
    }
}

impl<'a> Visit<'a> for Blocks<'a> {
    fn visit_block(&mut self, block: &'a Block) {
        if holds_virtines(block, self.cfg, self.unit_tests) {
            self.found.push(block);
        }
    }

    /// The blocks in a nested item belong to that item.
    fn visit_item(&mut self, _: &'a Item) {}

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        if !is_excluded(&function.attrs, self.cfg, self.unit_tests) {
            visit::visit_impl_item_fn(self, function);
        }
    }
}

fn holds_virtines(block: &Block, cfg: &Cfg, unit_tests: UnitTests) -> bool {
    struct Finder<'a> {
        cfg: &'a Cfg,
        unit_tests: UnitTests,
        found: bool,
    }
    impl<'ast> Visit<'ast> for Finder<'_> {
        fn visit_item(&mut self, item: &'ast Item) {
            let Attributes { excluded, virtine } =
                Attributes::of(attributes(item), self.cfg, self.unit_tests);
            if !excluded {
                self.found |= virtine.is_some();
                visit::visit_item(self, item);
            }
        }
    }
    let mut finder = Finder {
        cfg,
        unit_tests,
        found: false,
    };
    finder.visit_block(block);
    finder.found
}
