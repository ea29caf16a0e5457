//! What cargo tells a build script, read in one place.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::Error;

/// The environment of the build script.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// The linker driver: the user's own where one is configured, else `cc`.
    pub(crate) linker: PathBuf,
    pub(crate) manifest_dir: PathBuf,
    pub(crate) out_dir: PathBuf,
    /// The triple of host and guest both.
    pub(crate) target: String,
    /// The features of the package that are on, verbatim.
    pub(crate) features: Vec<String>,
    /// The user's flags for rustc, separated by `\x1f`.
    pub(crate) rustflags: String,
    /// `CARGO_CFG_*` as cfg predicates: name, and values where it has any.
    pub(crate) cfg: Vec<(String, Option<String>)>,
    pub(crate) debug_assertions: bool,
    /// Whether the host's profile is made for rebuilding often: cargo's own default for `dev`.
    pub(crate) incremental: bool,
    /// docs.rs has no use for guests and does not let build scripts build them.
    pub(crate) docs_rs: bool,
}

const DOCS_RS: &str = "DOCS_RS";
const CFG_PREFIX: &str = "CARGO_CFG_";

impl Environment {
    pub(crate) fn load() -> Result<Self, Error> {
        let target = text("TARGET")?;
        if !target.starts_with("x86_64-") || !target.contains("-linux-") {
            return Err(Error::Target { target });
        }
        let cfg = cfg();
        Ok(Self {
            cargo: required("CARGO")?.into(),
            rustc: required("RUSTC")?.into(),
            linker: env::var_os("RUSTC_LINKER")
                .unwrap_or_else(|| "cc".into())
                .into(),
            manifest_dir: required("CARGO_MANIFEST_DIR")?.into(),
            out_dir: required("OUT_DIR")?.into(),
            target,
            rustflags: env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default(),
            features: values(&cfg, "feature"),
            debug_assertions: cfg.iter().any(|(name, _)| name == "debug_assertions"),
            incremental: env::var("PROFILE").is_ok_and(|profile| profile == "debug"),
            docs_rs: env::var_os(DOCS_RS).is_some(),
            cfg,
        })
    }

    /// The variables whose change must run the build script again. Those that cargo sets itself
    /// are its own business.
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

fn cfg() -> Vec<(String, Option<String>)> {
    let mut cfg = Vec::new();
    for (name, value) in env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
            continue;
        };
        let Some(name) = name.strip_prefix(CFG_PREFIX) else {
            continue;
        };
        let name = name.to_lowercase();
        match value {
            "" => cfg.push((name, None)),
            _ => cfg.extend(
                value
                    .split(',')
                    .map(|value| (name.clone(), Some(value.to_owned()))),
            ),
        }
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
