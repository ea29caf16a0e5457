//! Standard streams through hypercalls: what is not allowed, even if their descriptors would allow it.

use std::fs::{self, File};
use std::io::Read as _;

use wasp_core::Policy;

use super::{BUFFER, FSTAT, LSEEK, READ, WRITE, ask_with, error};

fn file(name: &str) -> File {
    let name = format!("wasp-standard-{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, "0123456789").expect("written");
    let file = File::options().read(true).write(true).open(&path);
    fs::remove_file(path).expect("removed");
    file.expect("opened")
}

/// Reads the file from the guests' position on.
fn rest(mut file: &File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).expect("read");
    text
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn streams_have_one_direction_and_no_places() {
    let [input, out, err] = ["in", "out", "err"].map(file);
    let copy = |file: &File| file.try_clone().expect("a copy");
    let policy = Policy::new()
        .stdin_from(copy(&input))
        .stdout_to(copy(&out))
        .stderr_to(copy(&err));
    let [bad, pipe] = [libc::EBADF, libc::ESPIPE].map(error);
    let calls = [
        ((READ, [1, BUFFER, 8]), bad),
        ((READ, [2, BUFFER, 8]), bad),
        ((WRITE, [0, BUFFER, 8]), bad),
        ((LSEEK, [0, 4, 0]), pipe),
        ((LSEEK, [1, 0, 2]), pipe),
        ((LSEEK, [2, 0, 1]), pipe),
        ((FSTAT, [0, BUFFER, 0]), 0),
        ((FSTAT, [1, BUFFER, 0]), 0),
        // Not even if nothing is to be moved.
        ((READ, [1, BUFFER, 0]), bad),
        ((WRITE, [0, BUFFER, 0]), bad),
    ];
    let (_, answers) = ask_with(&policy, &[], &calls.map(|(call, _)| call)).expect("served");
    assert_eq!(answers, calls.map(|(_, expected)| expected));
    for file in [&input, &out, &err] {
        assert_eq!(rest(file), "0123456789", "it stands where it stood");
    }
}
