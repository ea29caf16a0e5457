//! The modules, items and imports of a crate, with their places in the source.

pub(crate) mod item;
mod kind;
mod names;
pub(crate) mod parts;
pub(crate) mod table;
mod virtines;
pub(crate) mod walk;
