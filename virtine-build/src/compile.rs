//! The nested cargo: guest crates to static libraries, by the toolchain of the build at hand.
//!
//! Nothing of the outer build may leak in but what is meant to: the environment starts empty, and
//! what a user's `.cargo/config.toml` could set is overridden one by one, since cargo reads it all
//! the same.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::environment::Environment;
use crate::error::Error;
use crate::package::{Library, Package};

/// What came of all guest crates of a package.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    /// By the guest's name: its static library.
    pub(crate) libraries: BTreeMap<String, PathBuf>,
    /// By the guest's name: why there is none.
    pub(crate) errors: BTreeMap<String, Vec<Diagnostic>>,
    /// By the name of a crate that guests depend on: what the compiler has first against it.
    pub(crate) broken: BTreeMap<String, String>,
}

/// One error of the compiler.
#[derive(Clone, Debug)]
pub(crate) struct Diagnostic {
    /// As rustc would print it.
    pub(crate) rendered: String,
    /// Its first line, without the code.
    pub(crate) message: String,
    /// Where it points to, what matters most first.
    pub(crate) spots: Vec<Spot>,
}

/// A place in the guest's sources. Lines are those of the user's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// As rustc names it, which is the user's file.
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
}

/// Environment variables that a nested cargo needs and that say nothing of the outer build.
const KEPT: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "CARGO_HOME",
    // Without it every nested cargo would take all cores for itself.
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
const KEPT_PREFIXES: [&str; 4] = ["RUSTUP_", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR"];

/// Compiles the workspace in `folder`.
pub(crate) fn compile(
    folder: &Path,
    target_dir: &Path,
    environment: &Environment,
    package: &Package,
    members: &[&str],
    library: Library,
) -> Result<Compiled, Error> {
    let mut flags = rustflags(folder, package, members, library);
    flags.extend(own_cfg(&environment.rustflags));
    let mut command = cargo(folder, target_dir, environment, library);
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let output = run(&mut command)?;
    let compiled = read_messages(&output.stdout, folder, package);
    if !output.status.success() && compiled.errors.is_empty() && compiled.broken.is_empty() {
        return Err(failure(&command, &output));
    }
    Ok(compiled)
}

fn cargo(folder: &Path, target_dir: &Path, environment: &Environment, library: Library) -> Command {
    let mut command = Command::new(&environment.cargo);
    command
        .args(["build", "--release", "--offline", "--keep-going", "--quiet"])
        .args(["--message-format=json", "--target", &environment.target])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir)
        .args(profile(environment, library))
        // From here cargo finds vendored sources that the user has configured.
        .current_dir(&environment.manifest_dir)
        .env_clear()
        .envs(env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_kept)))
        .env("RUSTC", &environment.rustc)
        // These override the wrappers of a configuration file. Clippy and rust-analyzer work by such, and
        // would have the guest checked but not compiled.
        .env("RUSTC_WRAPPER", no_wrapper())
        .env("RUSTC_WORKSPACE_WRAPPER", no_wrapper())
        // Both, beside the flag: a second cargo in the outer build's directory waits for its lock,
        // which it would never get, and a configured build-dir is another such directory.
        .env("CARGO_TARGET_DIR", target_dir)
        .env("CARGO_BUILD_BUILD_DIR", target_dir);
    command
}

/// A wrapper that does nothing. An empty name is none too, but then cargo does not keep what it learnt of
/// the compiler, and asks it anew in every build, which takes a fifth of a second.
fn no_wrapper() -> &'static str {
    const ENV: &str = "/usr/bin/env";
    if Path::new(ENV).is_file() { ENV } else { "" }
}

fn is_kept(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    KEPT.contains(&name.as_str())
        || name.ends_with("_PROXY")
        || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Guests are always optimised; what changes the program's meaning follows the host's profile, and so
/// does whether a rebuild is to be quick.
fn profile(environment: &Environment, library: Library) -> Vec<String> {
    let checks = environment.debug_assertions;
    let quick = environment.incremental;
    let panic = match library {
        Library::Facade => "abort",
        Library::Std => "unwind",
    };
    let settings = [
        format!("panic={panic:?}"),
        "opt-level=3".to_owned(),
        "debug=\"line-tables-only\"".to_owned(),
        "strip=false".to_owned(),
        // What is rebuilt often is cut into small units, of which each stands for itself; else `false`
        // means optimisation across units.
        format!("lto={}", if quick { "\"off\"" } else { "false" }),
        format!("codegen-units={}", if quick { 256 } else { 16 }),
        format!("incremental={quick}"),
        format!("debug-assertions={checks}"),
        format!("overflow-checks={checks}"),
    ];
    settings
        .into_iter()
        .flat_map(|setting| ["--config".to_owned(), format!("profile.release.{setting}")])
        .collect()
}

/// These also keep cargo from using the rustflags of the outer build or of a configuration file.
fn rustflags(folder: &Path, package: &Package, members: &[&str], library: Library) -> Vec<String> {
    let root = package
        .workspace_root
        .strip_prefix("/")
        .unwrap_or(&package.workspace_root);
    let own = match library {
        Library::Facade => ["-Cforce-unwind-tables=no", "--cap-lints=allow"],
        // Cargo finds out by a warning that there are no shared libraries of this kind.
        Library::Std => ["-Ctarget-feature=+crt-static", "--cap-lints=warn"],
    };
    let mut flags = vec![
        "-Crelocation-model=static".to_owned(),
        format!(
            "--remap-path-prefix={}=/virtine-rt",
            virtine_rt::MANIFEST_DIR
        ),
    ];
    // The host's own build has given the warnings; sliced code would make false ones.
    flags.extend(own.map(str::to_owned));
    if let Some(home) = cargo_home() {
        flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
    }
    // The folder that is compiled in stands in the line information, which the image's identity is made of.
    flags.push(format!("--remap-path-prefix={}=/guest", folder.display()));
    // rustc applies the last one that fits. Cargo names sources relative to the workspace it
    // builds, and the user's own cargo does so relative to the user's.
    for folder in [folder, Path::new("")] {
        for member in members {
            let copy = folder.join(member);
            flags.push(format!("--remap-path-prefix={}=/", copy.display()));
            flags.push(format!(
                "--remap-path-prefix={}=",
                copy.join(root).display()
            ));
        }
    }
    flags
}

/// The `--cfg`s that the user has set, by RUSTFLAGS or in a configuration file. No other flag of theirs is
/// the guest's business.
fn own_cfg(flags: &str) -> Vec<String> {
    let mut flags = flags.split('\x1f');
    let mut own = Vec::new();
    while let Some(flag) = flags.next() {
        match flag.strip_prefix("--cfg") {
            Some("") => own.extend(flags.next().map(|cfg| format!("--cfg={cfg}"))),
            Some(cfg) if cfg.starts_with('=') => own.push(flag.to_owned()),
            _ => {}
        }
    }
    own
}

fn cargo_home() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

fn read_messages(stdout: &[u8], folder: &Path, package: &Package) -> Compiled {
    let mut compiled = Compiled::default();
    for line in stdout.split(|&byte| byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        let Some(guest) = guest_of(&message, folder) else {
            compiled.broken.extend(broken(&message));
            continue;
        };
        match message["reason"].as_str() {
            Some("compiler-artifact") => {
                let files = message["filenames"].as_array().into_iter().flatten();
                let library = files
                    .filter_map(Value::as_str)
                    .find(|file| file.ends_with(".a"));
                compiled
                    .libraries
                    .extend(library.map(|file| (guest, PathBuf::from(file))));
            }
            Some("compiler-message") => {
                let diagnostic = diagnostic(&message["message"], package);
                compiled.errors.entry(guest).or_default().extend(diagnostic);
            }
            _ => {}
        }
    }
    compiled
}

/// The guest that a message of cargo's is about.
fn guest_of(message: &Value, folder: &Path) -> Option<String> {
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let own = manifest.starts_with(folder);
    own.then(|| {
        message["target"]["name"]
            .as_str()
            .map(|name| name.replace('_', "-"))
    })?
}

/// A crate that is no guest, and an error in it.
fn broken(message: &Value) -> Option<(String, String)> {
    let name = message["target"]["name"].as_str()?;
    let is_error = message["message"]["level"].as_str()? == "error";
    let rendered = message["message"]["rendered"].as_str()?;
    is_error.then(|| (name.replace('-', "_"), rendered.to_owned()))
}

fn diagnostic(message: &Value, package: &Package) -> Option<Diagnostic> {
    if !message["level"].as_str()?.starts_with("error") {
        return None;
    }
    let spans = message["spans"].as_array()?;
    // The closing "aborting due to n errors" points nowhere.
    if spans.is_empty()
        && message["code"].is_null()
        && message["message"].as_str()?.starts_with("aborting due")
    {
        return None;
    }
    let is_primary = |span: &&Value| span["is_primary"].as_bool() == Some(true);
    let (primary, other): (Vec<&Value>, Vec<&Value>) = spans.iter().partition(is_primary);
    let spans = primary.into_iter().chain(other);
    Some(Diagnostic {
        rendered: message["rendered"].as_str()?.to_owned(),
        message: message["message"].as_str()?.to_owned(),
        spots: spans.flat_map(|span| spots(span, package)).collect(),
    })
}

/// A span's places: first where the outermost macro that it came of is called.
fn spots(span: &Value, package: &Package) -> Vec<Spot> {
    let calls = std::iter::successors(Some(span), |span| {
        let outer = &span["expansion"]["span"];
        outer.is_object().then_some(outer)
    });
    let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let spots = calls.filter_map(|span| {
        Some(Spot {
            file: package.workspace_root.join(span["file_name"].as_str()?),
            line: number(&span["line_start"])?,
            column: number(&span["column_start"])?,
        })
    });
    let mut spots: Vec<Spot> = spots.collect();
    spots.reverse();
    spots
}

fn run(command: &mut Command) -> Result<Output, Error> {
    command.output().map_err(|source: io::Error| Error::Start {
        command: describe(command),
        source,
    })
}

/// Runs a command that must succeed.
pub(crate) fn checked_output(command: &mut Command) -> Result<Output, Error> {
    let output = run(command)?;
    match output.status.success() {
        true => Ok(output),
        false => Err(failure(command, &output)),
    }
}

fn failure(command: &Command, output: &Output) -> Error {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Error::Command {
        command: describe(command),
        status: output.status.to_string(),
        output: text(&output.stderr) + &text(&output.stdout),
    }
}

fn describe(command: &Command) -> String {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::own_cfg;

    #[test]
    fn only_cfgs_are_taken_from_the_users_flags() {
        let flags = "-Copt-level=0\x1f--cfg\x1ffast\x1f--cfg=kind=\"a b\"\x1f--cfgs\x1f-g";
        assert_eq!(own_cfg(flags), ["--cfg=fast", "--cfg=kind=\"a b\""]);
        assert!(own_cfg("").is_empty());
    }
}
