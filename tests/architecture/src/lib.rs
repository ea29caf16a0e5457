//! The imports of a crate, file by file, read from its source.
//!
//! `use` declarations, inline paths and paths in macros count. A re-export is followed to the file that defines the
//! item. What is compiled for tests alone does not count, nor does `mod x;`.

mod cycles;
mod imports;
mod modules;
mod paths;
mod rooms;

pub use cycles::cycles;
pub use imports::{Import, imports};
pub use modules::{Crate, Module};
pub use rooms::Rooms;
