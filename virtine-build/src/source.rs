//! A crate's source files, and what their text says: which parts `#[cfg]` excludes, which paths are mentioned.

pub(crate) mod cfg;
pub(crate) mod files;
pub(crate) mod mentions;
