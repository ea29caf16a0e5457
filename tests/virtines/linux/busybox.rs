//! A collection of small programs that work on granted folders as on an ordinary Linux.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use wasp_core::Policy;
use wasp_core::linux::{Output, Program};

use crate::alone;

const BUSYBOX: &str = "/bin/busybox";

/// A folder, if this machine has a static busybox.
fn folder(name: &str) -> Option<PathBuf> {
    if !Path::new(BUSYBOX).exists() {
        return None;
    }
    let folder = std::env::temp_dir().join(format!("wasp-busybox-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("from/deep")).expect("a folder");
    fs::write(folder.join("from/a"), "new").expect("written");
    fs::write(folder.join("from/deep/c"), "deep").expect("written");
    fs::write(folder.join("b"), "old").expect("written");
    Some(folder)
}

fn run(folder: &Path, command: &str) -> Output {
    let root = folder.display().to_string();
    let words = command.split(' ').map(|word| word.replace('@', &root));
    Program::open(BUSYBOX)
        .expect("it is there")
        .args(words)
        .policy(Policy::new().read(folder).write(folder).clock())
        .output()
        .expect("it runs")
}

fn succeeds(folder: &Path, command: &str) -> String {
    let output = run(folder, command);
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.finished.success(), "{command}: {complaints}");
    assert_eq!(complaints, "", "{command}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn text(path: PathBuf) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn files_and_folders_are_copied_moved_and_removed() {
    let Some(folder) = folder("files") else {
        return;
    };
    succeeds(&folder, "cp @/from/a @/b");
    assert_eq!(text(folder.join("b")).as_deref(), Some("new"));
    succeeds(&folder, "cp -r @/from @/copy");
    assert_eq!(text(folder.join("copy/deep/c")).as_deref(), Some("deep"));
    succeeds(&folder, "mv @/b @/copy/a");
    assert!(!folder.join("b").exists());
    // A folder is copied and removed file by file.
    succeeds(&folder, "mv @/copy @/moved");
    assert!(!folder.join("copy").exists());
    assert_eq!(text(folder.join("moved/deep/c")).as_deref(), Some("deep"));
    succeeds(&folder, "rm @/moved/a");
    succeeds(&folder, "rm -r @/moved");
    assert!(!folder.join("moved").exists());
    succeeds(&folder, "mkdir @/made");
    succeeds(&folder, "rmdir @/made");
    assert!(!folder.join("made").exists());
    let found = succeeds(&folder, "find @ -name c");
    assert_eq!(found, format!("{}/from/deep/c\n", folder.display()));
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn files_are_the_same_only_where_they_are() {
    let Some(folder) = folder("same") else {
        return;
    };
    fs::hard_link(folder.join("from/a"), folder.join("second")).expect("a link");
    assert!(!run(&folder, "test @/from/a -ef @/b").finished.success());
    assert!(
        run(&folder, "test @/from/a -ef @/second")
            .finished
            .success()
    );
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn archives_are_made_listed_and_unpacked() {
    alone::run("linux::busybox::packs_and_unpacks", &[]);
}

/// Run alone, because files are unpacked into the process's current directory.
#[test]
#[ignore = "run by `archives_are_made_listed_and_unpacked`"]
fn packs_and_unpacks() {
    let Some(folder) = folder("archives") else {
        return;
    };
    std::env::set_current_dir(&folder).expect("entered");
    let here = Path::new("from");
    let list = "from/\nfrom/a\nfrom/deep/\nfrom/deep/c\n";
    let packed = run(here, "tar c from").stdout;
    fs::write("from/archive", &packed).expect("written");
    let mut listed: Vec<_> = succeeds(here, "tar tf from/archive")
        .lines()
        .map(str::to_owned)
        .collect();
    listed.sort();
    assert_eq!(listed.join("\n") + "\n", list);
    fs::remove_file("from/a").expect("removed");
    fs::remove_dir_all("from/deep").expect("removed");
    succeeds(here, "tar xf from/archive");
    assert_eq!(text("from/deep/c".into()).as_deref(), Some("deep"));
    assert_eq!(text("from/a".into()).as_deref(), Some("new"));
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn removal_goes_no_further_than_links() {
    let Some(folder) = folder("links") else {
        return;
    };
    let outside = folder.with_extension("outside");
    fs::create_dir_all(&outside).expect("a folder");
    fs::write(outside.join("kept"), "kept").expect("written");
    symlink(&outside, folder.join("from/out")).expect("a link");
    succeeds(&folder, "rm -r @/from");
    assert_eq!(text(outside.join("kept")).as_deref(), Some("kept"));
    fs::remove_dir_all(outside).expect("removed");
    fs::remove_dir_all(folder).expect("removed");
}
