//! A crate's source files, and what their text shows: the parts that `#[cfg]` excludes, and the mentioned paths.

pub(crate) mod cfg;
pub(crate) mod files;
pub(crate) mod included;
pub(crate) mod mentions;
