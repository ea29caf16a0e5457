//! Standard streams and handed-over handles: the allowed operations depend on the stream or handle, not on its
//! descriptor.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use wasp_core::linux::Program;
use wasp_core::{Policy, Quota};

use super::{CALLS, calls};
use crate::terminal::terminal;

/// A file of 10 bytes, open for reading and writing, positioned at its start.
fn file(name: &str) -> File {
    let name = format!("wasp-streams-{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, "0123456789").expect("written");
    let options = File::options().read(true).write(true).open(&path);
    fs::remove_file(path).expect("removed");
    options.expect("opened")
}

fn contents(mut file: File) -> String {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).expect("a file");
    file.read_to_string(&mut text).expect("read");
    text
}

/// All operations that are not allowed on an output, by its number and by duplicates.
const OUTPUT: [(&str, &str); 13] = [
    ("read:1", "EBADF"),
    ("readv:1", "EBADF"),
    ("pread:1", "ESPIPE"),
    ("recv:1", "ENOTSOCK"),
    ("pwrite:1", "ESPIPE"),
    ("lseek:1:0", "ESPIPE"),
    ("ftruncate:1:0", "EINVAL"),
    ("ftruncate:1:100", "EINVAL"),
    ("fsync:1", "EINVAL"),
    ("shutdown:1:2", "ENOTSOCK"),
    ("getdents:1", "ENOTDIR"),
    ("futimens:1", "EBADF"),
    ("nodelay:1:1", "ENOTSOCK"),
];

fn refused(policy: &Policy, cases: &[(&str, &str)], number: &str) {
    let each: Vec<String> = cases
        .iter()
        .map(|(call, _)| call.replacen(":1", &format!(":{number}"), 1))
        .collect();
    let mut all = vec!["dup2:1:3", "dupfd:1:4", "dup:3"];
    all.extend(each.iter().map(String::as_str));
    let answers = calls(policy, &all);
    assert_eq!(answers[..3], ["3", "4", "5"]);
    for ((call, expected), answer) in cases.iter().zip(&answers[3..]) {
        assert_eq!(answer, expected, "{call} of {number}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn output_is_written_at_its_end_and_nothing_else() {
    for number in ["1", "3", "4", "5"] {
        let out = file("output");
        let policy = Policy::new().stdout_to(out.try_clone().expect("a copy"));
        refused(&policy, &OUTPUT, number);
        assert_eq!(contents(out), "0123456789", "{number}");
    }
    let mut out = file("appended");
    out.seek(SeekFrom::End(0)).expect("a file");
    let policy = Policy::new().stdout_to(out.try_clone().expect("a copy"));
    let answers = calls(
        &policy,
        &["getfl:1", "write:1:ab", "dup:1", "write:3:cd", "fstat:1"],
    );
    let flags = (libc::O_WRONLY | libc::O_APPEND).to_string();
    assert_eq!(answers, [&flags, "2", "3", "2", "0"]);
    assert_eq!(contents(out), "0123456789abcd");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn input_is_read_from_where_it_stands_and_nothing_else() {
    let input = file("input");
    let policy = Policy::new().stdin_from(input.try_clone().expect("a copy"));
    let cases = [
        ("write:0:x", "EBADF"),
        ("writev:0", "EBADF"),
        ("send:0", "ENOTSOCK"),
        ("pwrite:0", "ESPIPE"),
        ("pread:0", "ESPIPE"),
        ("lseek:0:5", "ESPIPE"),
        ("ftruncate:0:0", "EINVAL"),
        ("ftruncate:0:1000000", "EINVAL"),
        ("shutdown:0:2", "ENOTSOCK"),
        ("futimens:0", "EBADF"),
        ("getfl:0", "0"),
        ("dup:0", "3"),
        ("write:3:x", "EBADF"),
        ("read:3", "8 01234567"),
        ("read:0", "2 89"),
    ];
    let answers = calls(&policy, &cases.map(|(call, _)| call));
    assert_eq!(answers, cases.map(|(_, expected)| expected));
    assert_eq!(contents(input), "0123456789");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn own_input_of_a_program_cannot_be_written() {
    let output = Program::new("calls", CALLS.to_vec())
        .args(["pwrite:0", "ftruncate:0:1073741824", "write:0:x", "read:0"])
        .stdin("in")
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told, "ESPIPE\nEINVAL\nEBADF\n2 in\n");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn terminals_have_one_direction() {
    let Some((mut typed, end)) = terminal("terminals_have_one_direction") else {
        return;
    };
    typed.write_all(b"password\n").expect("typed");
    let out = Policy::new().stdout_to(end.try_clone().expect("a copy"));
    assert_eq!(
        calls(&out, &["read:1", "readv:1", "dup:1", "read:3"]),
        ["EBADF", "EBADF", "3", "EBADF"]
    );
    let input = Policy::new().stdin_from(end);
    let answers = calls(&input, &["write:0:painted", "writev:0", "read:0"]);
    assert_eq!(answers, ["EBADF", "EBADF", "8 password"]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn sockets_of_the_hosts_outlive_what_guests_do_with_them() {
    let (mut here, there) = UnixStream::pair().expect("a pair");
    here.set_read_timeout(Some(Duration::from_secs(10)))
        .expect("set");
    let end = || there.try_clone().expect("a copy");
    here.write_all(b"to the host").expect("written");
    let policy = Policy::new().stdout_to(end());
    let answers = calls(
        &policy,
        &[
            "shutdown:1:2",
            "shutdown:1:1",
            "recv:1",
            "read:1",
            "dup:1",
            "shutdown:3:2",
            "send:1",
            "nodelay:1:1",
        ],
    );
    let expected = [
        "ENOTSOCK", "ENOTSOCK", "EBADF", "EBADF", "3", "ENOTSOCK", "4", "ENOTSOCK",
    ];
    assert_eq!(answers, expected);
    let policy = Policy::new().stdin_from(end());
    let answers = calls(&policy, &["shutdown:0:0", "send:0", "write:0:x", "recv:0"]);
    assert_eq!(answers, ["ENOTSOCK", "EBADF", "EBADF", "8 to the h"]);
    (&there).write_all(b"!").expect("still open");
    let mut arrived = [0; 5];
    here.read_exact(&mut arrived).expect("still open");
    assert_eq!(&arrived, b"sent!");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn quotas_of_output_follow_its_copies() {
    let out = file("quota");
    let policy = Policy::new()
        .stdout_to(out.try_clone().expect("a copy"))
        .limit(Quota::Output, 1000);
    let long = "x".repeat(300);
    let write = |number: u32| format!("write:{number}:{long}");
    let answers = calls(
        &policy,
        &[
            "dup:1",
            "dup2:1:9",
            "ftruncate:1:1073741824",
            "ftruncate:3:1073741824",
            &write(3),
            &write(9),
            &write(1),
            &write(3),
            &write(9),
        ],
    );
    // What it reports about them goes to standard error, which counts too. Then there is nothing more to report.
    assert_eq!(
        answers[..7],
        ["3", "9", "EINVAL", "EINVAL", "300", "300", "300"]
    );
    let told: usize = answers.iter().map(|line| line.len() + 1).sum();
    let written = contents(out).len();
    assert!((900..1000).contains(&written), "{written}");
    assert!(told + written <= 1001, "{told} {written}");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn closed_streams_are_not_open_to_programs() {
    let answers = calls(
        &Policy::new(),
        &[
            "read:0",
            "write:1:x",
            "lseek:1:0",
            "shutdown:1:2",
            "recv:0",
            "fstat:0",
        ],
    );
    assert_eq!(
        answers,
        ["EBADF", "EBADF", "EACCES", "EBADF", "EBADF", "EBADF"]
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn handles_that_are_closed_are_given_back_to_the_quota() {
    let each: Vec<&str> = ["dup:0", "close:3"].into_iter().cycle().take(20).collect();
    let policy = Policy::new().limit(Quota::Handles, 2);
    let answers = calls(&policy, &each);
    assert!(
        answers.chunks(2).all(|pair| pair == ["3", "0"]),
        "{answers:?}"
    );
    let answers = calls(
        &policy,
        &["dup:0", "dup:0", "dup:0", "dup2:0:1", "close:3", "dup:0"],
    );
    assert_eq!(answers, ["3", "4", "EMFILE", "EMFILE", "0", "3"]);
}
