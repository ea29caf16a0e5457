//! Names of files, and who may give them: all ways to open a file with more rights than its roots grant. The program
//! `calls` makes one system call for each of its arguments.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use wasp_core::{Capability, Error, Policy};

use super::{calls, calls_under};

/// A test's own folder, which is removed with this value: `data/secret`, `data/out`, `data/pub`.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wasp-authority-{}-{number}", std::process::id());
        let tree = Self(std::env::temp_dir().join(name));
        for folder in ["data/out", "data/pub", "other"] {
            fs::create_dir_all(tree.path(folder)).expect("a folder");
        }
        tree.put("data/secret", "secret");
        tree.put("data/pub/open", "open");
        tree
    }

    fn path(&self, rest: &str) -> PathBuf {
        self.0.join(rest)
    }

    fn put(&self, rest: &str, text: &str) {
        fs::write(self.path(rest), text).expect("written");
    }

    fn text(&self, rest: &str) -> Option<String> {
        fs::read_to_string(self.path(rest)).ok()
    }

    /// Makes system calls. `@` in their paths stands for this folder.
    fn calls(&self, policy: &Policy, each: &[&str]) -> Vec<String> {
        let folder = self.0.display().to_string();
        let each: Vec<String> = each.iter().map(|call| call.replace('@', &folder)).collect();
        let each: Vec<&str> = each.iter().map(String::as_str).collect();
        calls(policy, &each)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Grants writing in `data`, and reading only in `data/pub`.
fn dropping(tree: &Tree) -> Policy {
    Policy::new()
        .write(tree.path("data"))
        .read(tree.path("data/pub"))
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn no_spelling_of_a_name_opens_a_file_further() {
    let tree = Tree::new();
    symlink("pub", tree.path("data/alias")).expect("a link");
    symlink("../pub", tree.path("data/out/alias")).expect("a link");
    for spelled in [
        "data/pub/x",
        "data/out/../pub/x",
        "data//pub//x",
        "data/./pub/./x",
        "data/pub/x/",
        "data/alias/x",
        "data/out/alias/x",
        "data/out/../out/../alias/x",
        "data/pub/../pub/x",
    ] {
        let (link, rename) = (
            format!("link:@/data/secret:@/{spelled}"),
            format!("rename:@/data/secret:@/{spelled}"),
        );
        let no_replace = format!("renameat2:@/data/secret:@/{spelled}:1");
        let answers = tree.calls(
            &dropping(&tree),
            &[&link, &rename, &no_replace, "cat:@/data/pub/x"],
        );
        assert_eq!(answers[..3], ["EACCES"; 3], "{spelled}");
        assert_eq!(answers[3], "ENOENT", "{spelled}");
    }
    assert_eq!(tree.text("data/secret").as_deref(), Some("secret"));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn symbolic_links_get_no_names_and_are_not_moved() {
    let tree = Tree::new();
    tree.put("outside", "outside");
    tree.put("data/pub/config", "config");
    symlink(tree.path("outside"), tree.path("data/evil")).expect("a link");
    let file = tree.path("data/pub/config");
    let policy = Policy::new().write(tree.path("data")).read(&file);
    let answers = tree.calls(
        &policy,
        &[
            "cat:@/data/pub/config",
            "unlink:@/data/pub/config",
            "link:@/data/evil:@/data/pub/config",
            "rename:@/data/evil:@/data/pub/config",
            "link:@/data/evil:@/data/elsewhere",
            "linkat:@/data/evil:@/data/pub/config:0x400",
            "cat:@/data/pub/config",
        ],
    );
    let expected = [
        "6 config", "0", "EPERM", "EXDEV", "EPERM", "EINVAL", "ENOENT",
    ];
    assert_eq!(answers, expected);
    // If another process creates one there, it is not followed.
    symlink(tree.path("outside"), &file).expect("a link");
    assert_eq!(tree.calls(&policy, &["cat:@/data/pub/config"]), ["ELOOP"]);
    let fresh = Policy::new().read(&file);
    let answers = tree.calls(&fresh, &["cat:@/data/pub/config"]);
    assert_eq!(answers, ["7 outside"], "the host named it, and means it");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn nothing_gets_into_the_place_of_a_file_that_may_be_read() {
    let tree = Tree::new();
    tree.put("data/config", "config");
    let policy = Policy::new()
        .write(tree.path("data"))
        .read(tree.path("data/config"))
        .read(tree.path("data/later"))
        .read(tree.path("data/made/later"));
    let answers = tree.calls(
        &policy,
        &[
            "link:@/data/secret:@/data/later",
            "rename:@/data/secret:@/data/later",
            "rename:@/data/secret:@/data/config",
            "rename:@/data/secret:@/data/out/../config",
            "unlink:@/data/config",
            "link:@/data/secret:@/data/config",
            "link:@/data/secret:@/data/pub/../config",
            // A folder that replaces the file.
            "mkdir:@/data/config:0777",
            "link:@/data/secret:@/data/config/x",
            "cat:@/data/config/x",
            // A folder that did not exist when the policy was first used.
            "mkdir:@/data/made:0777",
            "link:@/data/secret:@/data/made/later",
            "cat:@/data/made/later",
            "cat:@/data/later",
        ],
    );
    let refused = "EACCES";
    assert_eq!(answers[..4], [refused; 4]);
    assert_eq!(answers[4..7], ["0", refused, refused]);
    assert_eq!(answers[7..10], ["0", refused, "ENOENT"]);
    assert_eq!(answers[10..], ["0", refused, "ENOENT", "ENOENT"]);
}

/// What one policy allows must not give the next policy with the same roots more rights than it grants.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn folders_made_anew_are_the_roots_of_the_next_policy() {
    let tree = Tree::new();
    fs::create_dir_all(tree.path("data/a/pub")).expect("a folder");
    let policy = || {
        Policy::new()
            .write(tree.path("data"))
            .read(tree.path("data/a/pub"))
    };
    let answers = tree.calls(
        &policy(),
        &[
            "rmdir:@/data/a/pub",
            "rmdir:@/data/a",
            "mkdir:@/data/a:0777",
            "mkdir:@/data/a/pub:0777",
            "link:@/data/secret:@/data/a/pub/x",
            "rename:@/data/secret:@/data/a/pub/x",
            "link:@/data/secret:@/data/a/x",
        ],
    );
    assert_eq!(answers[..4], ["0"; 4]);
    assert_eq!(answers[4..], ["EACCES", "EACCES", "0"]);
    assert_eq!(tree.calls(&policy(), &["cat:@/data/a/pub/x"]), ["ENOENT"]);
    // A root that does not exist yet may later lead anywhere.
    let nowhere = Policy::new()
        .write(tree.path("data"))
        .read(tree.path("data/none/../out"));
    let answers = tree.calls(
        &nowhere,
        &[
            "link:@/data/secret:@/data/out/x",
            "mkdir:@/data/none:0777",
            "cat:@/data/none/../out/x",
        ],
    );
    assert_eq!(answers, ["EACCES", "0", "ENOENT"]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn roots_are_the_same_however_they_are_spelled() {
    let tree = Tree::new();
    symlink("data/pub", tree.path("link-to-pub")).expect("a link");
    symlink("data", tree.path("link-to-data")).expect("a link");
    for readable in [
        "link-to-pub",
        "link-to-data/pub",
        "other/../data/pub",
        "data/./pub",
    ] {
        let policy = Policy::new()
            .write(tree.path("data"))
            .read(tree.path(readable));
        let answers = tree.calls(
            &policy,
            &[
                "link:@/data/secret:@/data/pub/x",
                "rename:@/data/secret:@/data/pub/x",
            ],
        );
        assert_eq!(answers, ["EACCES"; 2], "{readable}");
    }
    // One folder with two names, for writing and for reading: its files have both rights under either name.
    let policy = Policy::new()
        .write(tree.path("data"))
        .read(tree.path("link-to-data"));
    let answers = tree.calls(
        &policy,
        &[
            "link:@/data/secret:@/data/pub/x",
            "cat:@/link-to-data/pub/x",
        ],
    );
    assert_eq!(answers, ["0", "6 secret"]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn relative_and_absolute_roots_are_compared_as_what_they_are() {
    let tree = Tree::new();
    let up = "../".repeat(64);
    let relative = |rest: &str| format!("{up}{}", tree.path(rest).display()).replace("//", "/");
    let policy = Policy::new()
        .write(tree.path("data"))
        .read(relative("data/pub"));
    let (link, cat) = (
        format!("link:@/data/secret:{}", tree.path("data/pub/x").display()),
        format!("cat:{}", relative("data/pub/open")),
    );
    assert_eq!(tree.calls(&policy, &[&link, &cat]), ["EACCES", "4 open"]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn files_are_linked_and_moved_where_that_opens_nothing() {
    let tree = Tree::new();
    let both = Policy::new()
        .read(tree.path("data"))
        .write(tree.path("data"));
    let answers = tree.calls(
        &both,
        &[
            "link:@/data/secret:@/data/pub/second",
            "rename:@/data/secret:@/data/out/moved",
            "rename:@/data/out/moved:@/data/pub/open",
            "renameat2:@/data/pub/open:@/data/pub/second:1",
            "renameat2:@/data/pub/open:@/data/pub/second:2",
            "renameat2:@/data/pub/open:@/data/pub/third:4",
            "cat:@/data/pub/open",
            "rename:@/data/pub:@/data/folder",
            "link:@/data/pub:@/data/folder",
        ],
    );
    let expected = [
        "0", "0", "0", "EEXIST", "EINVAL", "EINVAL", "6 secret", "EXDEV", "EPERM",
    ];
    assert_eq!(answers, expected);
    // From a place with more rights to one with fewer, but not vice versa, and not to a place that is not writable.
    let less = Policy::new()
        .read(tree.path("data"))
        .write(tree.path("data"))
        .write(tree.path("other"));
    let answers = tree.calls(
        &less,
        &[
            "rename:@/data/pub/second:@/other/dropped",
            "link:@/other/dropped:@/other/again",
            "link:@/other/dropped:@/data/back",
            "rename:@/other/dropped:@/data/back",
            "rename:@/data/pub/open:@/elsewhere",
            "link:@/data/pub/open:@/data/../elsewhere",
        ],
    );
    assert_eq!(answers[..2], ["0"; 2]);
    assert_eq!(answers[2..], ["EACCES"; 4]);
    assert_eq!(tree.text("other/again").as_deref(), Some("secret"));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_way_to_change_names_needs_the_right_to_write() {
    let tree = Tree::new();
    let before = fs::metadata(tree.path("data/secret"))
        .expect("known")
        .mtime();
    let reading = Policy::new().read(tree.path("data"));
    let each = [
        "link:@/data/secret:@/data/x",
        "rename:@/data/secret:@/data/x",
        "renameat2:@/data/secret:@/data/x:0",
        "unlink:@/data/secret",
        "rmdir:@/data/out",
        "mkdir:@/data/made:0777",
        "utimens:@/data/secret",
        "lutimens:@/data/secret",
        "utimes:@/data/secret",
        "futimesat:@/data/secret",
    ];
    assert_eq!(tree.calls(&reading, &each), ["EACCES"; 10]);
    assert_eq!(tree.calls(&Policy::new(), &each), ["EACCES"; 10]);
    // Roots themselves are not part of what is granted beneath them.
    let writing = Policy::new().write(tree.path("data/out"));
    let answers = tree.calls(
        &writing,
        &[
            "rmdir:@/data/out",
            "rename:@/data/out:@/data/x",
            "mkdir:@/data/out:0777",
            "mkdir:@/data/out/../made:0777",
            "rmdir:@/data/out/..",
            "rmdir:@/data/out/../pub",
            "utimens:@/data/out/../secret",
        ],
    );
    let refused = "EACCES";
    let expected = [
        refused, refused, "EEXIST", refused, refused, refused, refused,
    ];
    assert_eq!(answers, expected);
    let after = fs::metadata(tree.path("data/secret"))
        .expect("known")
        .mtime();
    assert_eq!(before, after);
    assert!(tree.path("data/out").is_dir() && !tree.path("data/made").exists());
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn folders_are_made_and_removed_and_times_are_set() {
    let tree = Tree::new();
    symlink("../secret", tree.path("data/out/link")).expect("a link");
    let both = Policy::new()
        .read(tree.path("data"))
        .write(tree.path("data"));
    let answers = tree.calls(
        &both,
        &[
            "mkdir:@/data/made:07777",
            "mkdir:@/data/made:0777",
            "mkdir:@/data/made/inner:0700",
            "rmdir:@/data/made",
            "rmdir:@/data/made/inner",
            "unlink:@/data/made",
            "rmdir:@/data/secret",
            "utimens:@/data/out/link",
            "utimes:@/data/pub/open",
            "open:@/data/out/new:0102",
            "futimens:3",
            "open:@/data/out/new:0",
            "futimens:4",
        ],
    );
    let expected = [
        "0",
        "EEXIST",
        "0",
        "ENOTEMPTY",
        "0",
        "EISDIR",
        "ENOTDIR",
        "0",
        "0",
        "3",
        "0",
        "4",
        "EBADF",
    ];
    assert_eq!(answers, expected);
    let made = fs::metadata(tree.path("data/made")).expect("made");
    assert_eq!(
        made.mode() & 0o7000,
        0,
        "never set-user-ID, set-group-ID or sticky"
    );
    for file in ["data/secret", "data/pub/open", "data/out/new"] {
        let known = fs::metadata(tree.path(file)).expect("known");
        assert_eq!(known.mtime(), 1_000_000_000, "{file}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn modes_and_owners_stay_what_they_are() {
    let tree = Tree::new();
    let secret = tree.path("data/secret");
    fs::set_permissions(&secret, Permissions::from_mode(0o640)).expect("set");
    let policy = Policy::new().write(tree.path("data"));
    let answers = tree.calls(
        &policy,
        &[
            "chmod:@/data/secret:0640",
            "chmod:@/data/secret:0666",
            "chmod:@/data/secret:04640",
            "chmod:@/elsewhere:0644",
            "chown:@/data/secret:0:0",
            "chown:@/data/secret:-1:-1",
            "chown:@/data/secret:1:-1",
            "open:@/data/secret:1",
            "fchmod:3:0640",
            "fchmod:3:0777",
            "fchown:3:0:0",
            "fchown:3:0:1000",
        ],
    );
    let expected = [
        "0", "EPERM", "EPERM", "EACCES", "0", "0", "EPERM", "3", "0", "EPERM", "0", "EPERM",
    ];
    assert_eq!(answers, expected);
    let known = fs::metadata(&secret).expect("known");
    assert_eq!(known.mode() & 0o7777, 0o640);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn files_that_are_replaced_are_seen_and_folders_are_held() {
    let tree = Tree::new();
    tree.put("data/config", "one");
    let policy = Policy::new()
        .read(tree.path("data/config"))
        .read(tree.path("data/pub"));
    let config = "cat:@/data/config";
    assert_eq!(tree.calls(&policy, &[config]), ["3 one"]);
    tree.put("data/config.new", "two!");
    fs::rename(tree.path("data/config.new"), tree.path("data/config")).expect("replaced");
    assert_eq!(tree.calls(&policy, &[config]), ["4 two!"]);
    // The folder that holds it and the granted one stay the same.
    fs::rename(tree.path("data"), tree.path("moved")).expect("moved");
    symlink(tree.path("other"), tree.path("data")).expect("a link");
    tree.put("other/config", "another");
    let answers = tree.calls(&policy, &[config, "cat:@/data/pub/open"]);
    assert_eq!(answers, ["4 two!", "4 open"]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn roots_that_are_not_there_are_looked_for_again() {
    let tree = Tree::new();
    symlink("deep/down", tree.path("other/way")).expect("a link");
    let policy = Policy::new()
        .read(tree.path("other/deep/down"))
        .write(tree.path("other/new"))
        .read(tree.path("other/new"));
    let cat = "cat:@/other/deep/down/file";
    assert_eq!(
        tree.calls(&policy, &[cat, "put:@/other/new:made"]),
        ["ENOENT", "4"]
    );
    fs::create_dir_all(tree.path("other/deep/down")).expect("a folder");
    tree.put("other/deep/down/file", "found");
    assert_eq!(
        tree.calls(&policy, &[cat, "cat:@/other/new"]),
        ["5 found", "4 made"]
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn files_are_told_apart_and_the_hosts_inodes_are_not_told() {
    let tree = Tree::new();
    fs::hard_link(tree.path("data/secret"), tree.path("data/second")).expect("a link");
    let policy = Policy::new().read(tree.path("data"));
    let each = [
        "inode:@/data/secret",
        "inode:@/data/second",
        "inode:@/data/pub/open",
        "entry:@/data:secret",
        "entry:@/data:second",
    ];
    let one = tree.calls(&policy, &each);
    assert!(one.iter().all(|answer| answer.starts_with("0 ")), "{one:?}");
    assert!(
        one[0] == one[1] && one[0] == one[3] && one[3] == one[4],
        "{one:?}"
    );
    assert_ne!(one[0], one[2]);
    let host = fs::metadata(tree.path("data/secret")).expect("known").ino();
    assert_ne!(one[0], format!("0 {host:x}"));
    let other = tree.calls(&policy, &each);
    assert_ne!(one[0], other[0], "made up for each call");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn handles_begin_no_paths_once_they_stand_for_something_else() {
    let tree = Tree::new();
    let policy = Policy::new().read(tree.path("data"));
    let answers = tree.calls(
        &policy,
        &[
            "open:@/data:0",
            "openat:3:secret",
            "dup2:0:3",
            "openat:3:secret",
        ],
    );
    assert_eq!(answers, ["3", "4", "3", "ENOTDIR"]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn strict_policies_end_where_a_name_would_open_a_file_further() {
    let tree = Tree::new();
    let link = format!(
        "link:{}:{}",
        tree.path("data/secret").display(),
        tree.path("data/pub/x").display()
    );
    let ended = calls_under(&dropping(&tree).random().strict(), &[&link]);
    let capability = match &ended {
        Err(Error::Denied {
            capability,
            argument,
        }) => Some((*capability, argument.ends_with("data/pub/x"))),
        _ => None,
    };
    assert_eq!(capability, Some((Capability::Write, true)), "{ended:?}");
    assert!(!tree.path("data/pub/x").exists());
}
