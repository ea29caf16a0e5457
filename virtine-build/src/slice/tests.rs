use std::fs;
use std::path::PathBuf;

use crate::cargo::target::UnitTests;
use crate::index::walk;
use crate::slice::Slice;
use crate::source::cfg::Cfg;
use crate::source::files::Sources;

/// The names of all items that `entry` reaches in a crate of these files, impls as `impl`.
fn reached(files: &[(&str, &str)]) -> Vec<String> {
    let folder = Folder::new(files);
    let cfg = Cfg::new(Vec::new());
    let sources = Sources::load(&folder.0.join("lib.rs"), &cfg).expect("files");
    let index = walk::index(&sources, &cfg, UnitTests::Excluded);
    let entry = index
        .items
        .iter()
        .position(|item| item.names == ["entry"])
        .expect("an entry");
    let slice = Slice::of(&index, entry, None);
    let mut names: Vec<String> = slice
        .items
        .iter()
        .map(|&item| {
            index.items[item]
                .names
                .first()
                .map_or("impl", String::as_str)
                .to_owned()
        })
        .collect();
    names.sort();
    names
}

/// The names of all imports that the first item of a crate keeps, globs as `*`.
fn imported(source: &str) -> Vec<String> {
    let folder = Folder::new(&[("lib.rs", source)]);
    let cfg = Cfg::new(Vec::new());
    let sources = Sources::load(&folder.0.join("lib.rs"), &cfg).expect("files");
    let index = walk::index(&sources, &cfg, UnitTests::Excluded);
    let name = |import: &usize| {
        index.imports[*import]
            .name
            .clone()
            .unwrap_or("*".to_owned())
    };
    Slice::of(&index, 0, None)
        .imports
        .iter()
        .map(name)
        .collect()
}

struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let unique = format!(
            "virtine-slice-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(unique);
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            fs::write(path, text).expect("written");
        }
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn helpers_are_kept_and_strangers_are_not() {
    let names = reached(&[(
        "lib.rs",
        "fn entry() { a() } fn a() { b() } fn b() {} fn stranger() {}",
    )]);
    assert_eq!(names, ["a", "b", "entry"]);
}

#[test]
fn kept_type_brings_its_impls_and_what_they_use() {
    let names = reached(&[(
        "lib.rs",
        "fn entry(s: S) {} struct S(Inner); struct Inner; impl S { fn f() { helper() } }
         impl Clone for S { fn clone(&self) -> S { todo!() } } fn helper() {}
         struct Other; impl Other {}",
    )]);
    assert_eq!(names, ["Inner", "S", "entry", "helper", "impl", "impl"]);
}

#[test]
fn trait_for_foreign_type_is_kept_with_the_trait() {
    let names = reached(&[(
        "lib.rs",
        "fn entry(v: Vec<u8>) { v.total() } trait Total { fn total(&self); } use self::Total as _;
         impl Total for Vec<u8> { fn total(&self) { } } const USE: fn() = || { };
         fn unused<T: Total>() {}",
    )]);
    // By the method's name alone.
    assert_eq!(names, ["Total", "entry", "impl"]);
    let names = reached(&[(
        "lib.rs",
        "fn entry(v: Vec<u8>) { Total::total(&v) } trait Total { fn total(&self); }
         impl Total for Vec<u8> { fn total(&self) { } }",
    )]);
    assert_eq!(names, ["Total", "entry", "impl"]);
}

#[test]
fn modules_files_and_imports_are_followed() {
    let names = reached(&[
        (
            "lib.rs",
            "mod a; mod c; use a::{first as one, unused}; fn entry() { one(); c::d::deep() }",
        ),
        (
            "a.rs",
            "pub fn first() { super::root() } pub fn unused() {}",
        ),
        ("c/mod.rs", "pub mod d;"),
        ("c/d.rs", "use crate::*; pub fn deep() { by_glob() }"),
        ("more.rs", ""),
    ]);
    assert_eq!(
        names,
        ["deep", "entry", "first"],
        "root and by_glob are not there"
    );
    let names = reached(&[
        ("lib.rs", "mod a; fn by_glob() {} fn entry() { a::deep() }"),
        ("a.rs", "use crate::*; pub fn deep() { by_glob() }"),
    ]);
    assert_eq!(names, ["by_glob", "deep", "entry"]);
}

#[test]
fn reexports_in_a_circle_end() {
    let names = reached(&[(
        "lib.rs",
        "mod a { pub use crate::b::*; } mod b { pub use crate::a::*; pub fn f() {} }
         fn entry() { a::f(); a::missing() }",
    )]);
    assert_eq!(names, ["entry", "f"]);
}

#[test]
fn path_attribute_and_variants_by_glob_are_followed() {
    let names = reached(&[
        (
            "lib.rs",
            "#[path = \"odd/name.rs\"] mod m; use m::Kind::*; fn entry() -> u8 { match () { _ => Big as u8 } }",
        ),
        ("odd/name.rs", "pub enum Kind { Big, Small }"),
    ]);
    assert_eq!(names, ["Kind", "entry"]);
}

#[test]
fn code_for_tests_is_left_out() {
    let names = reached(&[(
        "lib.rs",
        "fn entry() { a() } #[cfg(test)] fn a() {} #[cfg(not(test))] fn a() {}",
    )]);
    assert_eq!(names, ["a", "entry"]);
}

#[test]
fn macros_are_found_by_name() {
    let names = reached(&[(
        "lib.rs",
        "macro_rules! twice { ($e:expr) => { helper($e) } } fn helper(x: u8) {} fn entry() { twice!(1) }",
    )]);
    assert_eq!(names, ["entry", "helper", "twice"]);
}

#[test]
fn variable_of_a_std_modules_name_does_not_import_it() {
    let kept = imported(
        "use std::{thread, mem::swap, cmp}; fn entry(thread: u8) { swap(&mut thread, cmp::max) }",
    );
    assert_eq!(kept, ["swap", "cmp"]);
}

#[test]
fn parents_imports_come_through_a_glob() {
    let kept = imported(
        "use std::collections::{BinaryHeap, BTreeMap}; use std::fmt::Write; use std::thread;
         mod inner { use super::*; pub fn entry(thread: u8) { BinaryHeap::new(); } }",
    );
    assert_eq!(kept, ["BinaryHeap", "Write", "*"]);
}
