//! The environment variables that cargo sets for a build script.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::base::error::Error;
use crate::cargo::told::Told;

/// The environment of the build script.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// The linker driver: the user's own if one is configured, otherwise `cc`.
    pub(crate) linker: PathBuf,
    pub(crate) manifest_dir: PathBuf,
    pub(crate) out_dir: PathBuf,
    /// The target triple of both host and guest.
    pub(crate) target: String,
    /// The enabled features of the package, verbatim.
    pub(crate) features: Vec<String>,
    /// The user's flags for rustc, separated by `\x1f`.
    pub(crate) rustflags: String,
    /// `CARGO_CFG_*` as cfg predicates: the name, and the value if it has one.
    pub(crate) cfg: Vec<(String, Option<String>)>,
    pub(crate) debug_assertions: bool,
    /// Whether the host's profile favors quick rebuilds, as `dev` does by default.
    pub(crate) incremental: bool,
    /// Whether documentation is built. docs.rs does not need guests and does not let build scripts build them.
    pub(crate) docs_rs: bool,
    /// What the package's code finds in `env!` besides what its build script sets.
    pub(crate) variables: Vec<(String, String)>,
    /// What the build script tells cargo.
    pub(crate) told: Told,
}

const DOCS_RS: &str = "DOCS_RS";
const CFG_PREFIX: &str = "CARGO_CFG_";

impl Environment {
    pub(crate) fn load() -> Result<Self, Error> {
        let target = text("TARGET")?;
        if !target.starts_with("x86_64-") || !target.contains("-linux-") {
            return Err(Error::Target { target });
        }
        let mut cfg = cfg();
        let manifest_dir: PathBuf = required("CARGO_MANIFEST_DIR")?.into();
        let docs_rs = env::var_os(DOCS_RS).is_some();
        let told = match docs_rs {
            true => Told::default(),
            false => Told::load(&manifest_dir),
        };
        cfg.extend(told.cfgs.iter().cloned());
        Ok(Self {
            cargo: required("CARGO")?.into(),
            rustc: required("RUSTC")?.into(),
            linker: env::var_os("RUSTC_LINKER")
                .unwrap_or_else(|| "cc".into())
                .into(),
            manifest_dir,
            out_dir: required("OUT_DIR")?.into(),
            target,
            rustflags: env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default(),
            features: values(&cfg, "feature"),
            debug_assertions: cfg.iter().any(|(name, _)| name == "debug_assertions"),
            incremental: env::var("PROFILE").is_ok_and(|profile| profile == "debug"),
            docs_rs,
            variables: variables(),
            told,
            cfg,
        })
    }

    /// The variables whose change must run the build script again. Cargo tracks those that it sets itself.
    pub(crate) const fn watched() -> [&'static str; 1] {
        [DOCS_RS]
    }
}

fn required(name: &'static str) -> Result<OsString, Error> {
    env::var_os(name).ok_or(Error::NotABuildScript { name })
}

fn text(name: &'static str) -> Result<String, Error> {
    env::var(name).map_err(|_| Error::NotABuildScript { name })
}

/// Those that cargo sets for the build script and for the package's code alike.
fn variables() -> Vec<(String, String)> {
    let is_same = |name: &str| {
        name.starts_with("CARGO_PKG_") || ["CARGO_MANIFEST_DIR", "OUT_DIR"].contains(&name)
    };
    let variables = env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        is_same(&name).then_some((name, value))
    });
    let mut variables: Vec<(String, String)> = variables.collect();
    variables.sort();
    variables
}

fn cfg() -> Vec<(String, Option<String>)> {
    let variables = env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?.strip_prefix(CFG_PREFIX)?.to_lowercase();
        Some((name, value.into_string().ok()?))
    });
    let mut cfg = Vec::new();
    for (name, values) in variables {
        let has_value = !values.is_empty();
        let values = values.split(',');
        cfg.extend(values.map(|value| (name.clone(), has_value.then(|| value.to_owned()))));
    }
    cfg.sort();
    cfg
}

fn values(cfg: &[(String, Option<String>)], wanted: &str) -> Vec<String> {
    cfg.iter()
        .filter(|(name, _)| name == wanted)
        .filter_map(|(_, value)| value.clone())
        .collect()
}
