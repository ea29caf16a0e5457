//! One folder in two places of the file system, through mounts. Needs the permission to mount, which root may have.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::ptr;

use wasp_core::Policy;

use super::calls;
use crate::alone;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn mounts_are_seen_through() {
    alone::run("linux::mounts::mounted", &[]);
}

/// Gives this process its own mount namespace, if permitted.
fn may_mount() -> bool {
    // SAFETY: it takes no pointers.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return false;
    }
    mount(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE)
}

fn mount(from: Option<&Path>, to: &Path, flags: libc::c_ulong) -> bool {
    let text = |path: &Path| CString::new(path.display().to_string()).expect("no NUL");
    let (from, to) = (from.map(text), text(to));
    let from = from.as_ref().map_or(ptr::null(), |from| from.as_ptr());
    // SAFETY: both are strings that end with a NUL, and outlive the call.
    unsafe { libc::mount(from, to.as_ptr(), ptr::null(), flags, ptr::null()) == 0 }
}

fn bind(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    assert!(mount(Some(from), to, libc::MS_BIND), "{}", to.display());
}

/// `how` names the policy.
fn refused(how: &str, policy: &Policy, from: PathBuf, to: PathBuf) {
    let [from, to] = [from, to].map(|path| path.display().to_string());
    let answers = calls(
        policy,
        &[&format!("link:{from}:{to}"), &format!("rename:{from}:{to}")],
    );
    assert_eq!(answers, ["EACCES"; 2], "{how}: {from} {to}");
}

#[test]
#[ignore = "run by `mounts_are_seen_through`"]
fn mounted() {
    if !may_mount() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("wasp-mounts-{}", std::process::id()));
    let at = |rest: &str| folder.join(rest);
    fs::create_dir_all(at("data/sub")).expect("a folder");
    fs::create_dir_all(at("top/a/b")).expect("a folder");
    fs::write(at("data/secret"), "secret").expect("written");

    // A root that is also mounted elsewhere.
    bind(&at("data/sub"), &at("root"));
    let policy = Policy::new().write(at("data")).read(at("root"));
    refused(
        "mounted itself",
        &policy,
        at("data/secret"),
        at("data/sub/x"),
    );

    // A root with something mounted beneath it.
    bind(&at("data/sub"), &at("pub/in ner"));
    let policy = Policy::new().write(at("data")).read(at("pub"));
    refused(
        "mounted beneath",
        &policy,
        at("data/secret"),
        at("data/sub/x"),
    );
    let within = format!(
        "rename:{}:{}",
        at("data/secret").display(),
        at("data/moved").display()
    );
    assert_eq!(calls(&policy, &[&within]), ["0"]);

    // Mounting a file beneath a root exposes nothing else.
    fs::create_dir_all(at("etc")).expect("a folder");
    for file in ["etc/hosts", "hosts"] {
        fs::write(at(file), "").expect("written");
    }
    assert!(mount(Some(&at("hosts")), &at("etc/hosts"), libc::MS_BIND));
    let policy = Policy::new().write(at("data")).read(at("etc"));
    let across = format!(
        "link:{}:{}",
        at("data/moved").display(),
        at("data/sub/again").display()
    );
    assert_eq!(calls(&policy, &[&across]), ["0"]);

    // A folder that is its own parent, judging by devices and inodes.
    bind(&at("top/a"), &at("top/a/b"));
    let policy = Policy::new()
        .write(at("data"))
        .write(at("top/a/b"))
        .read(at("top"));
    refused("its own parent", &policy, at("data/moved"), at("top/a/b/x"));

    for mounted in ["root", "pub/in ner", "etc/hosts", "top/a/b"] {
        let path = CString::new(at(mounted).display().to_string()).expect("no NUL");
        // SAFETY: it is a string that ends with a NUL.
        assert_eq!(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }, 0);
    }
    fs::remove_dir_all(folder).expect("removed");
}
