//! `std::io::Error`, with std's messages.

use alloc_crate::boxed::Box;
use alloc_crate::string::{String, ToString as _};
use core::{error, fmt, result};

use super::os;
use crate::guest::request::Errno;

/// Same as in std.
pub type Result<T> = result::Result<T, Error>;

/// Same as in std.
pub struct Error(Repr);

enum Repr {
    Os(i32),
    Simple(ErrorKind),
    Message(ErrorKind, &'static str),
    Custom(ErrorKind, Box<dyn error::Error + Send + Sync>),
}

macro_rules! kinds {
    ($($kind:ident $text:literal,)*) => {
        /// Same as in std.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "std's documentation has them")]
        pub enum ErrorKind {
            $($kind,)*
        }

        impl ErrorKind {
            const fn text(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)*
                }
            }
        }
    };
}

crate::error_kinds! { kinds }

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Error {
    /// Same as in std.
    pub fn new<E: Into<Box<dyn error::Error + Send + Sync>>>(kind: ErrorKind, error: E) -> Self {
        Self(Repr::Custom(kind, error.into()))
    }

    /// Same as in std.
    pub fn other<E: Into<Box<dyn error::Error + Send + Sync>>>(error: E) -> Self {
        Self::new(ErrorKind::Other, error)
    }

    pub(crate) const fn message(kind: ErrorKind, message: &'static str) -> Self {
        Self(Repr::Message(kind, message))
    }

    /// Same as in std.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self.0 {
            Repr::Os(code) => os::kind(code),
            Repr::Simple(kind) | Repr::Message(kind, _) | Repr::Custom(kind, _) => kind,
        }
    }

    /// Same as in std.
    #[must_use]
    pub const fn from_raw_os_error(code: i32) -> Self {
        Self(Repr::Os(code))
    }

    /// Same as in std.
    #[must_use]
    pub const fn raw_os_error(&self) -> Option<i32> {
        match self.0 {
            Repr::Os(code) => Some(code),
            Repr::Simple(_) | Repr::Message(..) | Repr::Custom(..) => None,
        }
    }

    /// The error as it is sent to the host: number, kind and message.
    pub(crate) fn told(&self) -> (Option<i32>, u8, String) {
        (self.raw_os_error(), self.kind() as u8, self.to_string())
    }

    /// Same as in std.
    #[must_use]
    pub fn get_ref(&self) -> Option<&(dyn error::Error + Send + Sync + 'static)> {
        match &self.0 {
            Repr::Custom(_, error) => Some(&**error),
            Repr::Os(_) | Repr::Simple(_) | Repr::Message(..) => None,
        }
    }

    /// Same as in std.
    pub fn get_mut(&mut self) -> Option<&mut (dyn error::Error + Send + Sync + 'static)> {
        match &mut self.0 {
            Repr::Custom(_, error) => Some(&mut **error),
            Repr::Os(_) | Repr::Simple(_) | Repr::Message(..) => None,
        }
    }

    /// Same as in std.
    #[must_use]
    pub fn into_inner(self) -> Option<Box<dyn error::Error + Send + Sync>> {
        match self.0 {
            Repr::Custom(_, error) => Some(error),
            Repr::Os(_) | Repr::Simple(_) | Repr::Message(..) => None,
        }
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Repr::Simple(kind))
    }
}

impl From<alloc_crate::ffi::NulError> for Error {
    fn from(_: alloc_crate::ffi::NulError) -> Self {
        Self::message(ErrorKind::InvalidInput, "data provided contains a nul byte")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Os(code) => f
                .debug_struct("Os")
                .field("code", code)
                .field("kind", &os::kind(*code))
                .field("message", &os::message(*code))
                .finish(),
            Repr::Simple(kind) => f.debug_tuple("Kind").field(kind).finish(),
            Repr::Message(kind, message) => f
                .debug_struct("Error")
                .field("kind", kind)
                .field("message", message)
                .finish(),
            Repr::Custom(kind, error) => f
                .debug_struct("Custom")
                .field("kind", kind)
                .field("error", error)
                .finish(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Os(code) => write!(f, "{} (os error {code})", os::message(*code)),
            Repr::Simple(kind) => kind.fmt(f),
            Repr::Message(_, message) => f.write_str(message),
            Repr::Custom(_, error) => error.fmt(f),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.0 {
            Repr::Custom(_, error) => error.source(),
            Repr::Os(_) | Repr::Simple(_) | Repr::Message(..) => None,
        }
    }
}
