//! `Metadata`, as far as the host tells it.

use crate::abi::requests::{STAT_SIZE, stat};
use crate::io;
use crate::time::{Duration, SystemTime, UNIX_EPOCH};

/// As std's.
#[derive(Clone, Debug)]
pub struct Metadata {
    mode: u32,
    size: u64,
    accessed: Duration,
    modified: Duration,
}

/// As std's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileType(u32);

/// As std's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions(u32);

/// The bits of `st_mode` that tell the type, and two types.
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

    /// As std's.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "std's")]
    pub const fn len(&self) -> u64 {
        self.size
    }

    /// As std's.
    #[must_use]
    pub const fn file_type(&self) -> FileType {
        FileType(self.mode & TYPE)
    }

    /// As std's.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// As std's.
    #[must_use]
    pub const fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// As std's: links are followed.
    #[must_use]
    pub const fn is_symlink(&self) -> bool {
        false
    }

    /// As std's.
    #[must_use]
    pub const fn permissions(&self) -> Permissions {
        Permissions(self.mode)
    }

    /// As std's.
    ///
    /// # Errors
    ///
    /// None.
    pub fn modified(&self) -> io::Result<SystemTime> {
        Ok(UNIX_EPOCH + self.modified)
    }

    /// As std's.
    ///
    /// # Errors
    ///
    /// None.
    pub fn accessed(&self) -> io::Result<SystemTime> {
        Ok(UNIX_EPOCH + self.accessed)
    }
}

impl FileType {
    /// As std's.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        self.0 == REGULAR
    }

    /// As std's.
    #[must_use]
    pub const fn is_dir(&self) -> bool {
        self.0 == DIRECTORY
    }

    /// As std's: links are followed.
    #[must_use]
    pub const fn is_symlink(&self) -> bool {
        false
    }
}

impl Permissions {
    /// As std's: nobody may write.
    #[must_use]
    pub const fn readonly(&self) -> bool {
        self.0 & 0o222 == 0
    }
}
