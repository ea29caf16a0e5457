//! A package in a folder of its own, outside this workspace, and cargo runs on it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Seconds that one run of cargo may take. Far more than a cold build on a slow machine needs: only
/// a deadlock lasts that long.
const TIME_LIMIT: &str = "300";

/// What `timeout` exits with when the time is over.
const TIMED_OUT: i32 = 124;

/// What cargo, rustc and a linker need of the environment. All else would make the tests depend on
/// who runs them; cargo itself sets OUT_DIR and a lot more for a test.
const KEPT: [&str; 9] = [
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "LD_LIBRARY_PATH",
    "WASP_BACKEND",
];

/// What a user's package depends on.
const CRATES: [&str; 2] = ["wasp-core", "virtine-build"];

/// Spares the host's side what no test looks at.
const FAST: [(&str, &str); 3] = [
    ("CARGO_INCREMENTAL", "0"),
    ("CARGO_PROFILE_DEV_DEBUG", "0"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
];

/// Held while cargo runs: all packages share one target directory, and whoever waits for cargo's
/// lock on it would do so within the time limit.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Where all packages are built, so that what they depend on is compiled once.
pub fn shared_target_dir() -> PathBuf {
    // target/debug/deps/test
    let test = env::current_exe().expect("a test is a file");
    let target = test.ancestors().nth(3).expect("it is cargo's");
    target.join("tmp/packages")
}

/// A copy of one of the packages beside this file. The folder goes with it.
pub struct Package {
    folder: PathBuf,
}

impl Package {
    /// The package in the folder `case`.
    pub fn copy(case: &str) -> Self {
        Self::copy_to(case, case)
    }

    /// The package in the folder `case`, in a folder of another name, for a test beside others of it.
    pub fn copy_as(case: &str, folder: &str) -> Self {
        Self::copy_to(case, folder)
    }

    /// The package `plain` under another name. Cargo tells packages of different folders apart by
    /// nothing else, and would mix up their files in the shared target directory.
    pub fn plain(name: &str) -> Self {
        Self::plain_in(name, name)
    }

    /// [`Package::plain`] in a folder of a given name.
    pub fn plain_in(folder: &str, name: &str) -> Self {
        let package = Self::copy_to("plain", folder);
        package.edit("Cargo.toml", "\"plain\"", &format!("\"{name}\""));
        package
    }

    fn copy_to(case: &str, folder: &str) -> Self {
        let folder = env::temp_dir().join(format!("virtine-packages-{}-{folder}", process::id()));
        let package = Self { folder };
        copy(
            &repository().join("tests/packages").join(case),
            &package.folder,
        )
        .expect("the case is copied");
        let lock = repository().join("Cargo.lock");
        // For the versions that are there offline.
        fs::copy(lock, package.path("Cargo.lock")).expect("Cargo.lock is copied");
        package
    }

    /// A file of the package.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// All files of the package, relative to its folder and sorted; of the folder `target`, only
    /// its name.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        list(&self.folder, &self.folder, &mut files).expect("the folder is read");
        files.sort();
        files
    }

    /// Replaces the one place of `file` where `old` stands.
    pub fn edit(&self, file: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path(file)).expect("the file is read");
        assert_eq!(text.matches(old).count(), 1, "{old:?} in {file}");
        self.write(file, &text.replace(old, new));
    }

    /// Writes a whole file.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        let folder = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(folder).expect("the folder is made");
        fs::write(path, text).expect("the file is written");
    }

    /// Removes a file.
    pub fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).expect("the file is removed");
    }

    /// The number, from 1, of the one line of `file` that holds `text`.
    pub fn line_of(&self, file: &str, text: &str) -> usize {
        let source = fs::read_to_string(self.path(file)).expect("the file is read");
        let mut lines = source
            .lines()
            .zip(1..)
            .filter(|(line, _)| line.contains(text));
        let (_, number) = lines.next().expect("the line is there");
        assert!(lines.next().is_none(), "{text:?} in {file} twice");
        number
    }

    /// A run of cargo on the package: a subcommand and its arguments, which hold no spaces.
    pub fn cargo(&self, arguments: &str) -> Cargo {
        let mut words = arguments.split_whitespace();
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=10", TIME_LIMIT, env!("CARGO")])
            .args(words.next())
            // Behind the subcommand, or clippy would not hand it on.
            .arg("--offline")
            .args(CRATES.iter().flat_map(|name| from_repository(name)))
            .args(words)
            .current_dir(&self.folder)
            .env_clear()
            .envs(
                KEPT.iter()
                    .filter_map(|name| Some((name, env::var_os(name)?))),
            )
            .env("CARGO_TARGET_DIR", shared_target_dir())
            .envs(FAST)
            .stdin(Stdio::null());
        Cargo { command }
    }

    /// What the package's program prints.
    pub fn run(&self) -> String {
        self.cargo("run").succeeds().stdout
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        // It lies among temporary files, and a failed test has its own story to tell.
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// Has cargo take a crate from this repository that a package wants from crates.io.
fn from_repository(name: &str) -> [String; 2] {
    let path = repository().join(name);
    [
        "--config".to_owned(),
        format!("patch.crates-io.{name}.path={path:?}"),
    ]
}

fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let holds_all = |folder: &&Path| folder.join("Cargo.lock").exists();
    own.ancestors()
        .find(holds_all)
        .expect("the repository holds this package")
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => _ = fs::copy(entry.path(), to)?,
        }
    }
    Ok(())
}

fn list(folder: &Path, root: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() && path != root.join("target") {
            true => list(&path, root, files)?,
            false => {
                let relative = path.strip_prefix(root).unwrap_or(&path);
                files.push(relative.display().to_string());
            }
        }
    }
    Ok(())
}

/// A run of cargo that is about to start.
pub struct Cargo {
    command: Command,
}

/// What a run of cargo printed.
pub struct Output {
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Cargo {
    /// Sets a variable of cargo's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Has cargo find out by itself where to build.
    pub fn without_target_dir(mut self) -> Self {
        self.command.env_remove("CARGO_TARGET_DIR");
        self
    }

    /// Runs it to its end, which must be a good one.
    #[track_caller]
    pub fn succeeds(self) -> Output {
        let (success, output) = self.finish();
        assert!(success, "failed\n{}{}", output.stdout, output.stderr);
        output
    }

    /// Runs it to its end, which must be a bad one.
    #[track_caller]
    pub fn fails(self) -> Output {
        let (success, output) = self.finish();
        assert!(!success, "succeeded\n{}{}", output.stdout, output.stderr);
        output
    }

    #[track_caller]
    fn finish(mut self) -> (bool, Output) {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let output = self
            .command
            .output()
            .expect("`timeout` is part of coreutils");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let timed_out = output.status.code() == Some(TIMED_OUT) || output.status.code().is_none();
        assert!(!timed_out, "no end within {TIME_LIMIT} s\n{stdout}{stderr}");
        (output.status.success(), Output { stdout, stderr })
    }
}
