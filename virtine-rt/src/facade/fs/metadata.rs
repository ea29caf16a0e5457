//! `Metadata`, with the fields that the host provides.

use crate::abi::requests::{STAT_SIZE, stat};
use crate::io;
use crate::time::{Duration, SystemTime, UNIX_EPOCH};

/// Same as in std.
#[derive(Clone, Debug)]
pub struct Metadata {
    mode: u32,
    size: u64,
    accessed: Duration,
    modified: Duration,
}

/// Same as in std.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileType(u32);

/// Same as in std.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions(u32);

/// The bits of `st_mode` for the file type, and two types.
const TYPE: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

impl Metadata {
    pub(super) fn decode(bytes: &[u8; STAT_SIZE]) -> Self {
        let word = |offset: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[offset..offset + 8]);
            u64::from_le_bytes(word)
        };
        let time = |offset| Duration::new(word(offset), word(offset + 8) as u32);
        Self {
            mode: word(stat::MODE) as u32,
            size: word(stat::SIZE),
            accessed: time(stat::ACCESSED),
            modified: time(stat::MODIFIED),
        }
    }

    /// Same as in std.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "std's")]
    pub const fn len(&self) -> u64 {
        self.size
    }

    /// Same as in std.
    #[must_use]
    pub const fn file_type(&self) -> FileType {
        FileType(self.mode & TYPE)
    }

    /// Same as in std.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// Same as in std.
    #[must_use]
    pub const fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// Same as in std: links are followed.
    #[must_use]
    pub const fn is_symlink(&self) -> bool {
        false
    }

    /// Same as in std.
    #[must_use]
    pub const fn permissions(&self) -> Permissions {
        Permissions(self.mode)
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// None.
    pub fn modified(&self) -> io::Result<SystemTime> {
        Ok(UNIX_EPOCH + self.modified)
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// None.
    pub fn accessed(&self) -> io::Result<SystemTime> {
        Ok(UNIX_EPOCH + self.accessed)
    }
}

impl FileType {
    /// Same as in std.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        self.0 == REGULAR
    }

    /// Same as in std.
    #[must_use]
    pub const fn is_dir(&self) -> bool {
        self.0 == DIRECTORY
    }

    /// Same as in std: links are followed.
    #[must_use]
    pub const fn is_symlink(&self) -> bool {
        false
    }
}

impl Permissions {
    /// Same as in std: whether nobody may write.
    #[must_use]
    pub const fn readonly(&self) -> bool {
        self.0 & 0o222 == 0
    }
}
