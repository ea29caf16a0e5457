//! Unmodified Linux programs: C programs that the build script compiles, and machine code.

use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use wasp_core::linux::{ElfError, Output, Program, Status};
use wasp_core::{Error, Fault, Policy, Quota};

mod authority;
mod busybox;
mod elf;
mod machine_code;
mod mounts;
mod streams;

const ORDINARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ordinary"));
const INDEPENDENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/independent"));
const DYNAMIC: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dynamic"));
const HOSTILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hostile"));

const CALLS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/calls"));

/// Makes one system call for each, and returns the results.
fn calls(policy: &Policy, each: &[&str]) -> Vec<String> {
    calls_under(policy, each).expect("it runs")
}

fn calls_under(policy: &Policy, each: &[&str]) -> Result<Vec<String>, Error> {
    let (mut told, end) = io::pipe().expect("a pipe");
    let program = Program::new("calls", CALLS.to_vec()).args(each);
    let ended = program.policy(policy.clone().stderr_to(end)).status();
    let mut text = String::new();
    told.read_to_string(&mut text).expect("read");
    ended.map(|_| text.lines().map(str::to_owned).collect())
}

pub(crate) fn ordinary(what: &str) -> Program {
    Program::new("ordinary", ORDINARY.to_vec()).arg(what)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ran(program: &Program) -> Output {
    program.output().expect("it runs")
}

/// A folder with sixty files, each of which contains its name.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wasp-linux-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    for number in 0..60 {
        let file = folder.join(format!("file{number}"));
        fs::write(&file, format!("file{number}")).expect("written");
    }
    folder
}

#[test]
fn arguments_environment_and_exit_code_travel() {
    for file in [ORDINARY, INDEPENDENT] {
        let program = Program::new("the program", file.to_vec())
            .args(["arguments", "", "a b"])
            .env("NAME", "value");
        let output = ran(&program);
        let expected = format!("[the program][arguments][][a b]value {:?}\n", 4_f64.sin());
        assert_eq!(text(&output.stdout), expected);
        assert_eq!(output.finished.status, Status::Exited(3));
        assert!(!output.finished.success());
    }
}

/// One command waits for a duration, the other until a time of one of two clocks.
#[test]
fn timed_waits_end_when_their_time_is_over() {
    let started = std::time::Instant::now();
    let policy = Policy::new().clock();
    let output = ran(&ordinary("timed-waits")
        .policy(policy)
        .timeout(Duration::from_secs(60)));
    assert_eq!(text(&output.stdout), "110 110 110 110\n", "ETIMEDOUT");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn streams_are_what_the_host_gives() {
    let output = ran(&ordinary("streams").stdin("one\ntwo\n"));
    assert_eq!(text(&output.stdout), "<one\n<two\n");
    assert_eq!(text(&output.stderr), "to standard error\n");
    let output = ran(&ordinary("streams"));
    assert_eq!(text(&output.stdout), "", "no input, nothing granted");
}

#[test]
fn memory_is_mapped_moved_and_protected() {
    let output = ran(&ordinary("memory"));
    let expected =
        "moved: 7 0\nagain: 1 0\nboth: -1 13\ncode: 42\ndropped: 0\nheap: 1\nall: none\n";
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn what_is_not_mapped_so_is_a_fault() {
    for what in ["read-only", "unmapped", "no-code", "recurse"] {
        let fault = ordinary(what).status();
        let Err(Error::Fault(Fault::Exception(exception))) = fault else {
            panic!("{what}: {fault:?}");
        };
        assert_eq!(exception.vector, 14, "{what}");
    }
}

#[test]
fn granted_folders_are_listed_and_others_are_not() {
    let folder = folder("listed");
    let path = folder.to_str().expect("plain text");
    let output = ran(&ordinary("files")
        .arg(path)
        .policy(Policy::new().read(&folder)));
    let expected = "entries: 62, dots: 2\nrelative: 0 5\npread: 2 il\nreadv: 2 fi\ndup: 77\n\
                    out: -1 Permission denied\nwritten: -1\n";
    assert_eq!(text(&output.stdout), expected);
    let output = ran(&ordinary("files").arg(path));
    assert_eq!(text(&output.stdout), "opendir: Permission denied\n");
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn what_is_refused_is_named() {
    let output = ran(&ordinary("refusals"));
    let expected = "fork: -1 Function not implemented\nsocket: -1 Function not implemented\n\
                    exec: -1 Function not implemented\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(output.finished.refused, ["socket", "clone", "execve"]);
}

#[test]
fn signals_are_set_up_and_never_delivered() {
    let output = ran(&ordinary("signals"));
    assert_eq!(
        text(&output.stdout),
        "sigaction: 0 0 1\nraise: 0\nblocked: 1\n"
    );
    let aborted = ran(&ordinary("abort")).finished.status;
    assert_eq!(aborted, Status::Killed(libc::SIGABRT as u8));
}

#[test]
fn clock_is_a_door() {
    assert_eq!(text(&ran(&ordinary("clock")).stdout), "-1\n");
    let output = ran(&ordinary("clock").policy(Policy::new().clock()));
    let seconds: i64 = text(&output.stdout).trim().parse().expect("a number");
    assert!(seconds > 1_700_000_000, "{seconds}");
}

#[test]
fn deadline_ends_what_loops_and_what_waits() {
    for what in ["loop", "sleep"] {
        let limit = Duration::from_millis(300);
        let ended = ordinary(what)
            .policy(Policy::new().clock())
            .timeout(limit)
            .status();
        assert!(
            matches!(ended, Err(Error::TimedOut { .. })),
            "{what}: {ended:?}"
        );
    }
}

#[test]
fn exhausted_means_are_errors_of_the_program() {
    let cases = [
        ("flood", libc::EDQUOT),
        ("descriptors", libc::EMFILE),
        ("mappings", libc::ENOMEM),
    ];
    for (what, errno) in cases {
        let policy = Policy::new().limit(Quota::Output, 1 << 20);
        // Thousands of system calls, on a machine that may be busy.
        let program = ordinary(what)
            .policy(policy)
            .timeout(Duration::from_secs(120));
        let output = ran(&program);
        assert_eq!(output.finished.status, Status::Exited(errno), "{what}");
        assert!(output.stdout.len() <= 1 << 20);
    }
}

#[test]
fn strict_policy_ends_a_program_that_asks_for_more() {
    let refused = ordinary("clock").policy(Policy::new().strict()).status();
    assert!(matches!(refused, Err(Error::Denied { .. })), "{refused:?}");
}

#[test]
fn hostile_system_calls_leave_the_host_as_it_was() {
    let program = Program::new("hostile", HOSTILE.to_vec())
        .policy(Policy::new().random().clock().stderr())
        .timeout(Duration::from_secs(120));
    let output = ran(&program);
    // It ran to its end, and no answer was out of range.
    assert_eq!(output.finished.status, Status::Exited(42));
}

#[test]
fn dynamic_program_is_told_what_to_do() {
    let error = Program::new("dynamic", DYNAMIC.to_vec()).status();
    let Err(Error::Program(ElfError::Dynamic { interpreter })) = &error else {
        panic!("{error:?}");
    };
    assert!(interpreter.contains("ld-linux"), "{interpreter}");
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let long = "x".repeat(1 << 20);
    let error = ordinary("arguments").arg(long).status();
    assert!(matches!(error, Err(Error::Argument { .. })), "{error:?}");
    let error = ordinary("arguments").arg("a\0b").status();
    assert!(matches!(error, Err(Error::Argument { .. })), "{error:?}");
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    for (memory, stack) in [
        (4095, 4096),
        (1 << 20, 0),
        (1 << 20, 1 << 20),
        (1 << 40, 4096),
    ] {
        let error = ordinary("arguments").memory(memory).stack(stack).status();
        assert!(
            matches!(error, Err(Error::Image(_) | Error::Program(_))),
            "{memory} {stack}: {error:?}"
        );
    }
}
