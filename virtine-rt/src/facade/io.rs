//! `std::io`. Maintained crates that offer this (core2 and similar ones) lack lines, strings and std's buffer types,
//! which ordinary code uses most.

mod buffered;
mod cursor;
mod error;
mod os;
mod read;
mod stdio;
mod util;
mod write;

pub use buffered::{BufReader, BufWriter, IntoInnerError, LineWriter};
pub use cursor::Cursor;
pub use error::{Error, ErrorKind, Result};
pub(crate) use read::read_rest;
pub use read::{BufRead, Bytes, Chain, Lines, Read, Split, Take, read_to_string};
pub(crate) use stdio::flush_at_end;
pub use stdio::{
    IsTerminal, Stderr, StderrLock, Stdin, StdinLock, Stdout, StdoutLock, eprint, print, stderr,
    stdin, stdout,
};
pub use util::{Empty, Repeat, Sink, copy, empty, repeat, sink};
pub use write::{Seek, SeekFrom, Write};

/// `std::io::prelude`.
pub mod prelude {
    pub use super::{BufRead, Read, Seek, Write};
}
