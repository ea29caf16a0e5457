//! `std::path`, without the parts that access a file system.

pub use unix_path::{
    Ancestors, Component, Components, Display, Iter, MAIN_SEPARATOR, Path, PathBuf,
    StripPrefixError, is_separator,
};

/// Same as in std.
pub const MAIN_SEPARATOR_STR: &str = "/";
