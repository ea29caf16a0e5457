//! The command, run as a user does. Needs /dev/kvm, `cc` and Debian's busybox-static.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_run"));
    command.args(arguments).output().expect("it starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wasp-run-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

#[test]
fn busybox_works_on_what_is_granted() {
    let folder = folder("busybox");
    let path = folder.to_str().expect("plain text");
    let file = format!("{path}/numbers");
    fs::write(&file, "1\n2\n39\n").expect("written");
    let listed = run(&["--read", path, "/bin/busybox", "ls", path]);
    assert_eq!(stdout(&listed), "numbers\n");
    let program = "{ n += $1 } END { print n }";
    let summed = run(&["--read", path, "/bin/busybox", "awk", program, &file]);
    assert_eq!(stdout(&summed), "42\n");
    let denied = run(&["/bin/busybox", "cat", &file]);
    assert_eq!(denied.status.code(), Some(1));
    assert_eq!(stdout(&denied), "");
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn program_of_a_c_compiler_exits_with_its_code() {
    let folder = folder("c");
    let source = folder.join("main.c");
    let program = folder.join("main");
    let code = "#include <unistd.h>\n#include <stdio.h>\n\
                int main(int n, char **a) { printf(\"%s\\n\", a[n - 1]); fflush(stdout); return fork() < 0 ? 7 : 8; }\n";
    fs::write(&source, code).expect("written");
    let mut cc = Command::new("cc");
    cc.args(["-static", "-o"]).arg(&program).arg(&source);
    assert!(cc.status().expect("a C compiler").success());
    let output = run(&[program.to_str().expect("plain text"), "-x", "last"]);
    assert_eq!(stdout(&output), "last\n");
    assert_eq!(output.status.code(), Some(7));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("was refused: clone"), "{told}");
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn what_is_no_program_is_told_why() {
    let output = run(&[env!("CARGO_BIN_EXE_run")]);
    assert_eq!(output.status.code(), Some(125));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("link it with `-static`"), "{told}");
}
