//! The base of all other rooms: errors, commands, files, TOML.

pub(crate) mod command;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod toml;
