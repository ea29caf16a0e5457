//! `std::path`, as far as it asks no file system.

pub use unix_path::{
    Ancestors, Component, Components, Display, Iter, MAIN_SEPARATOR, Path, PathBuf,
    StripPrefixError, is_separator,
};

/// As std's.
pub const MAIN_SEPARATOR_STR: &str = "/";
