//! How a `std::io::Result` is returned, whose error serde does not support.

use std::io;

/// The parts of an error: the system's number if it has one, the number of its kind, its message.
type ErrorParts = (Option<i32>, u8, String);

/// A type that is sent in the form of another.
pub trait IoForm: Sized {
    /// The type that is sent.
    type Form;

    /// Converts back to the original type.
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
