//! The command, run as a user does. Needs /dev/kvm and `cc`.

use std::fs;
use std::path::{Path, PathBuf};
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

/// What `cc -static` makes of `code`, in `folder`.
fn compiled(folder: &Path, code: &str) -> String {
    let source = folder.join("main.c");
    let program = folder.join("main");
    fs::write(&source, code).expect("written");
    let mut cc = Command::new("cc");
    cc.args(["-static", "-o"]).arg(&program).arg(&source);
    assert!(cc.status().expect("a C compiler").success());
    program.to_str().expect("plain text").to_owned()
}

/// Copies a file, and names what lies beside it. `.ci/run` does the like with busybox.
const READER: &str = r#"
#include <dirent.h>
#include <libgen.h>
#include <stdio.h>
int main(int count, char **arguments) {
    FILE *file = fopen(arguments[1], "r");
    if (!file) return 1;
    for (int byte; (byte = getc(file)) != EOF;) putchar(byte);
    DIR *folder = opendir(dirname(arguments[1]));
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.') puts(entry->d_name);
    return 0;
}
"#;

#[test]
fn program_reads_what_is_granted() {
    let folder = folder("reads");
    let program = compiled(&folder, READER);
    let granted = folder.join("granted");
    fs::create_dir_all(&granted).expect("a folder");
    let file = granted.join("numbers");
    fs::write(&file, "1 2 39\n").expect("written");
    let [granted, file] = [&granted, &file].map(|path| path.to_str().expect("plain text"));
    let read = run(&["--read", granted, &program, file]);
    assert_eq!(stdout(&read), "1 2 39\nnumbers\n");
    let denied = run(&[&program, file]);
    assert_eq!(denied.status.code(), Some(1));
    assert_eq!(stdout(&denied), "");
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn program_of_a_c_compiler_exits_with_its_code() {
    let folder = folder("c");
    let code = "#include <unistd.h>\n#include <stdio.h>\n\
                int main(int n, char **a) { printf(\"%s\\n\", a[n - 1]); fflush(stdout); return fork() < 0 ? 7 : 8; }\n";
    let output = run(&[&compiled(&folder, code), "-x", "last"]);
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
