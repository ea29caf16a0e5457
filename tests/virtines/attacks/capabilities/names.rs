//! `link` and `unlink` of raw guests: when they succeed, and what they must not do.

use std::fs;
use std::path::{Path, PathBuf};

use wasp_core::{Cache, Exit, Policy};

use super::super::{MEMORY, START};
use super::{LINK, OPEN, UNLINK, WRITE, ask_with, error};
use crate::backend::LOWEST;

const OLD: u64 = LOWEST + 0x4000;
const NEW: u64 = LOWEST + 0x5000;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wasp-names-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("inside")).expect("a folder");
    fs::write(folder.join("inside/old"), "kept").expect("written");
    fs::write(folder.join("outside"), "not for guests").expect("written");
    folder
}

fn ask(policy: &Policy, [old, new]: [&Path; 2], calls: &[(u64, [u64; 3])]) -> Vec<u64> {
    let [old, new] = [old, new].map(|path| format!("{}\0", path.display()));
    let contents = [(OLD, old.as_bytes()), (NEW, new.as_bytes())];
    ask_with(policy, &contents, calls).expect("served").1
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn names_are_made_and_removed() {
    let folder = folder("made");
    let (old, new) = (folder.join("inside/old"), folder.join("inside/new"));
    let policy = Policy::new()
        .read(folder.join("inside"))
        .write(folder.join("inside"));
    let answers = ask(
        &policy,
        [&old, &new],
        &[
            (LINK, [OLD, NEW, 0]),
            (LINK, [OLD, NEW, 0]),
            (UNLINK, [OLD, 0, 0]),
            (UNLINK, [OLD, 0, 0]),
        ],
    );
    let [exists, missing] = [libc::EEXIST, libc::ENOENT].map(error);
    assert_eq!(answers, [0, exists, 0, missing]);
    assert_eq!(fs::read_to_string(&new).expect("the new name"), "kept");
    assert!(!old.exists());
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn names_outside_are_neither_made_nor_removed() {
    let folder = folder("outside");
    let inside = folder.join("inside");
    let outside = folder.join("outside");
    let policy = Policy::new().read(&inside).write(&inside);
    for escape in [outside.clone(), inside.join("../outside")] {
        let kept = inside.join("old");
        let refused = ask(
            &policy,
            [&escape, &inside.join("stolen")],
            &[(LINK, [OLD, NEW, 0]), (UNLINK, [OLD, 0, 0])],
        );
        assert_eq!(refused, [error(libc::EACCES); 2], "{}", escape.display());
        let refused = ask(
            &policy,
            [&kept, &folder.join("planted")],
            &[(LINK, [OLD, NEW, 0])],
        );
        assert_eq!(refused, [error(libc::EACCES)]);
    }
    let names = fs::read_dir(&inside).expect("read").count();
    assert_eq!((names, outside.exists()), (1, true));
    assert!(!folder.join("planted").exists());
    fs::remove_dir_all(folder).expect("removed");
}

/// A guest that may only read a file could write it through a new name in a writable place.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn links_grant_no_more_than_their_files() {
    let folder = folder("rights");
    let (read, write) = (folder.join("inside"), folder.join("writable"));
    fs::create_dir(&write).expect("a folder");
    let policy = Policy::new().read(&read).write(&write);
    let answers = ask(
        &policy,
        [&read.join("old"), &write.join("new")],
        &[
            (LINK, [OLD, NEW, 0]),
            (OPEN, [NEW, 1, 0]),
            (WRITE, [3, OLD, 4]),
            (UNLINK, [OLD, 0, 0]),
        ],
    );
    assert_eq!(answers[0], error(libc::EACCES));
    assert_eq!(answers[3], error(libc::EACCES));
    let kept = fs::read_to_string(read.join("old")).expect("there");
    assert_eq!(kept, "kept");
    fs::remove_dir_all(folder).expect("removed");
}

/// `e6 ff` out 0xff, al with rdi 9 and rsi the path, which `bf 09 00 00 00` and `be 00 40 01 00` load;
/// `e6 30` out 0x30, al.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn caches_serve_under_a_policy() {
    let code = [
        0xbf, 9, 0, 0, 0, 0xbe, 0, 0x40, 1, 0, 0xe6, 0xff, 0xe6, 0x30,
    ];
    let cache = Cache::builder(MEMORY)
        .binary(code, START)
        .build()
        .expect("a cache");
    let folder = folder("cache");
    let file = folder.join("inside/old");
    for (policy, expected) in [
        (Policy::new(), error(libc::EACCES)),
        (Policy::new().write(folder.join("inside")), 0),
        (
            Policy::new().write(folder.join("inside")),
            error(libc::ENOENT),
        ),
    ] {
        let mut virtine = cache.get().expect("a virtine");
        let path = format!("{}\0", file.display());
        virtine.write(OLD, path.as_bytes()).expect("in bounds");
        let exit = cache.serve_with(&mut virtine, &policy).expect("served");
        assert!(
            matches!(exit, Exit::Hypercall { port: 0x30, .. }),
            "{exit:?}"
        );
        assert_eq!(virtine.registers().expect("registers").rax, expected);
    }
    assert!(!file.exists());
    fs::remove_dir_all(folder).expect("removed");
}
