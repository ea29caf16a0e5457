//! `OpenOptions`.

use super::c_path::c_path;
use super::file::File;
use crate::abi::requests::open as flag;
use crate::facade::path::Path;
use crate::guest::request;
use crate::io;

/// Same as in std.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "std's")]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
}

macro_rules! setters {
    ($($name:ident)*) => {
        $(
            /// Same as in std.
            pub const fn $name(&mut self, $name: bool) -> &mut Self {
                self.$name = $name;
                self
            }
        )*
    };
}

impl OpenOptions {
    /// Same as in std.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
        }
    }

    setters! { read write append truncate create create_new }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// Errors of the host, or the options contradict each other.
    pub fn open<P: AsRef<Path>>(&self, path: P) -> io::Result<File> {
        let path = c_path(path.as_ref())?;
        Ok(File::new(request::open(&path, self.flags()?, 0o666)?))
    }

    /// As in std, creating or truncating a file requires write access.
    fn flags(&self) -> io::Result<u64> {
        let access = match (self.read, self.write || self.append) {
            (true, false) => 0,
            (false, true) => flag::WRITE_ONLY,
            (true, true) => flag::READ_WRITE,
            (false, false) => return Err(INVALID),
        };
        let makes = self.create || self.create_new;
        if access == 0 && (self.truncate || makes) {
            return Err(INVALID);
        }
        if self.append && self.truncate && !self.create_new {
            return Err(INVALID);
        }
        let bit = |wanted, bit| if wanted { bit } else { 0 };
        let changes = match self.create_new {
            true => flag::CREATE | flag::EXCLUSIVE,
            false => bit(self.create, flag::CREATE) | bit(self.truncate, flag::TRUNCATE),
        };
        Ok(access | changes | bit(self.append, flag::APPEND))
    }
}

const INVALID: io::Error = io::Error::message(
    io::ErrorKind::InvalidInput,
    "invalid combination of options",
);

impl File {
    /// Same as in std.
    ///
    /// # Errors
    ///
    /// Errors of the host.
    pub fn open<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        OpenOptions::new().read(true).open(path)
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// Errors of the host.
    pub fn create<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// Errors of the host.
    pub fn create_new<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
    }

    /// Same as in std.
    #[must_use]
    pub const fn options() -> OpenOptions {
        OpenOptions::new()
    }
}
