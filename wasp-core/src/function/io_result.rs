//! How `std::io::Result` comes back: serde has nothing for its error.

use std::io;

/// Of an error: the system's number where it has one, its kind's number, its words.
type ErrorParts = (Option<i32>, u8, String);

/// A type that travels as another.
pub trait IoForm: Sized {
    /// What it travels as.
    type Form;

    /// What it was.
    fn restored(form: Self::Form) -> Self;
}

impl<T> IoForm for io::Result<T> {
    type Form = Result<T, ErrorParts>;

    fn restored(form: Self::Form) -> Self {
        form.map_err(|(code, kind, message)| match code {
            Some(code) => io::Error::from_raw_os_error(code),
            None => {
                let kind = KINDS.get(usize::from(kind)).copied();
                io::Error::new(kind.unwrap_or(io::ErrorKind::Other), message)
            }
        })
    }
}

macro_rules! table {
    ($($kind:ident $text:literal,)*) => {
        const KINDS: &[io::ErrorKind] = &[$(io::ErrorKind::$kind),*];
    };
}

virtine_rt::error_kinds! { table }
