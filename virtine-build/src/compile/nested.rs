//! The nested cargo: compiles guest crates to static libraries, with the toolchain of the outer build.
//!
//! Settings of the outer build must not leak into it. The environment starts empty. Cargo still reads the
//! user's `.cargo/config.toml`, so each setting in question is overridden.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base::command;
use crate::base::error::Error;
use crate::cargo::environment::Environment;
use crate::cargo::features::FeatureTables;
use crate::cargo::package::Package;
use crate::compile::messages::{self, Compiled};
use crate::syntax::Library;

/// Environment variables that a nested cargo needs and that do not depend on the outer build.
const KEPT: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "CARGO_HOME",
    // The job server: without it every nested cargo would use all cores.
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
const KEPT_PREFIXES: [&str; 4] = ["RUSTUP_", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR"];

/// The nested cargo of one workspace.
pub(crate) struct Nested<'a> {
    /// The folder of the workspace.
    pub(crate) workspace: PathBuf,
    pub(crate) target_dir: PathBuf,
    pub(crate) library: Library,
    pub(crate) package: &'a Package,
    pub(crate) environment: &'a Environment,
}

impl Nested<'_> {
    /// Compiles these members of the workspace. They must be all of its members.
    pub(crate) fn compile(&self, members: &[&str]) -> Result<Compiled, Error> {
        let mut flags = self.rustflags(members);
        flags.extend(user_cfgs(&self.environment.rustflags));
        let mut command = self.build();
        command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        let output = command::output(&mut command)?;
        let compiled = messages::read(&output.stdout, &self.workspace, self.package);
        if !output.status.success() && compiled.errors.is_empty() && compiled.broken.is_empty() {
            return Err(command::failure(&command, &output));
        }
        Ok(compiled)
    }

    /// The features of what the members of the workspace depend on.
    pub(crate) fn feature_tables(&self) -> Result<FeatureTables, Error> {
        let mut command = self.cargo();
        command
            .args(["metadata", "--offline", "--quiet", "--format-version=1"])
            .arg("--filter-platform")
            .arg(&self.environment.target)
            .arg("--manifest-path")
            .arg(self.workspace.join("Cargo.toml"));
        let output = command::checked_output(&mut command)?;
        let metadata = serde_json::from_slice(&output.stdout).map_err(|error| Error::Output {
            command: "cargo metadata",
            reason: error.to_string(),
        })?;
        Ok(FeatureTables::of(&metadata))
    }

    fn build(&self) -> Command {
        let mut command = self.cargo();
        command
            .args(["build", "--release", "--offline", "--keep-going", "--quiet"])
            .args(["--message-format=json", "--target"])
            .arg(&self.environment.target)
            .arg("--manifest-path")
            .arg(self.workspace.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&self.target_dir)
            .args(profile(self.environment, self.package, self.library));
        command
    }

    /// Cargo, without the settings of the outer build.
    fn cargo(&self) -> Command {
        let mut command = Command::new(&self.environment.cargo);
        command
            // In this folder cargo finds the user's configuration of vendored sources.
            .current_dir(&self.environment.manifest_dir)
            .env_clear()
            .envs(env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_kept)))
            .env("RUSTC", &self.environment.rustc)
            // These override the wrappers of a configuration file. Clippy and rust-analyzer are such wrappers:
            // they would check the guest but not compile it.
            .env("RUSTC_WRAPPER", no_wrapper())
            .env("RUSTC_WORKSPACE_WRAPPER", no_wrapper())
            // Both are needed besides the flag: in a directory of the outer build, which may also be a configured
            // build-dir, the nested cargo would wait forever for the lock.
            .env("CARGO_TARGET_DIR", &self.target_dir)
            .env("CARGO_BUILD_BUILD_DIR", &self.target_dir);
        command
    }

    /// The flags of guests. They also replace the rustflags of the outer build and of configuration files.
    fn rustflags(&self, members: &[&str]) -> Vec<String> {
        let of_library = match self.library {
            Library::Facade => ["-Cforce-unwind-tables=no", "--cap-lints=allow"],
            // Cargo needs the warning to learn that this target has no shared libraries.
            Library::Std => ["-Ctarget-feature=+crt-static", "--cap-lints=warn"],
        };
        let mut flags = vec![
            "-Crelocation-model=static".to_owned(),
            remap(Path::new(virtine_rt::MANIFEST_DIR), "/virtine-rt"),
        ];
        // The host's own build gives the warnings. Those for sliced code would be wrong.
        flags.extend(of_library.map(str::to_owned));
        flags.extend(cargo_home().map(|home| remap(&home, "/cargo")));
        // The image's identity depends on the line information, which contains the folder of the compilation.
        flags.push(remap(&self.workspace, "/guest"));
        let root = &self.package.workspace_root;
        let root = root.strip_prefix("/").unwrap_or(root);
        // rustc applies the last prefix that matches. Cargo prints sources relative to the workspace of the
        // guests, and they must become relative to the user's workspace.
        for folder in [&self.workspace, Path::new("")] {
            for member in members {
                let copy = folder.join(member);
                flags.push(remap(&copy, "/"));
                flags.push(remap(&copy.join(root), ""));
            }
        }
        flags
    }
}

/// The flag that makes rustc print another prefix for the paths of a folder.
fn remap(folder: &Path, prefix: &str) -> String {
    format!("--remap-path-prefix={}={prefix}", folder.display())
}

/// A wrapper that does nothing. An empty name disables wrappers too, but then cargo does not cache its knowledge of the
/// compiler, and every build takes 0.2 s longer.
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

/// The profile of guests. They are always optimised. Settings that change the meaning of the program follow
/// the host's profile, and so does the choice of quick rebuilds.
fn profile(environment: &Environment, package: &Package, library: Library) -> Vec<String> {
    let assertions = environment.debug_assertions;
    let checks = package.overflow_checks.unwrap_or(assertions);
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
        // For quick rebuilds: small units without optimisation across them. `false` means optimisation across
        // the units of a crate.
        format!("lto={}", if quick { "\"off\"" } else { "false" }),
        format!("codegen-units={}", if quick { 256 } else { 16 }),
        format!("incremental={quick}"),
        format!("debug-assertions={assertions}"),
        format!("overflow-checks={checks}"),
    ];
    settings
        .into_iter()
        .flat_map(|setting| ["--config".to_owned(), format!("profile.release.{setting}")])
        .collect()
}

/// The `--cfg`s in the user's flags, from RUSTFLAGS or a configuration file. No other flag of the user
/// applies to guests.
fn user_cfgs(flags: &str) -> Vec<String> {
    let mut flags = flags.split('\x1f');
    let mut cfgs = Vec::new();
    while let Some(flag) = flags.next() {
        match flag.strip_prefix("--cfg") {
            Some("") => cfgs.extend(flags.next().map(|cfg| format!("--cfg={cfg}"))),
            Some(cfg) if cfg.starts_with('=') => cfgs.push(flag.to_owned()),
            _ => {}
        }
    }
    cfgs
}

fn cargo_home() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

#[cfg(test)]
mod tests {
    use super::user_cfgs;

    #[test]
    fn only_cfgs_of_the_users_flags_apply() {
        let flags = "-Copt-level=0\x1f--cfg\x1ffast\x1f--cfg=kind=\"a b\"\x1f--cfgs\x1f-g";
        assert_eq!(user_cfgs(flags), ["--cfg=fast", "--cfg=kind=\"a b\""]);
        assert!(user_cfgs("").is_empty());
    }
}
