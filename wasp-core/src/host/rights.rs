//! The rights of an open handle.

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

/// A set of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights(u16);

impl Rights {
    /// Only holding and closing it.
    pub(super) const NONE: Self = Self(0);
    /// Reading at its position.
    pub(super) const READ: Self = Self(1);
    /// Writing at its position, which may always be its end.
    pub(super) const APPEND: Self = Self(1 << 1);
    /// Changing existing contents.
    pub(super) const WRITE: Self = Self(1 << 2);
    /// Reading and writing away from its position, and moving the position.
    pub(super) const SEEK: Self = Self(1 << 3);
    /// Changing its length.
    pub(super) const TRUNCATE: Self = Self(1 << 4);
    /// Waiting until its data is on disk.
    pub(super) const SYNCHRONISE: Self = Self(1 << 5);
    /// Listing a directory.
    pub(super) const LIST: Self = Self(1 << 6);
    /// Operations that only sockets support: peeking, and not blocking.
    pub(super) const SOCKET: Self = Self(1 << 7);
    /// Shutting down the connection, or changing how it sends.
    pub(super) const SHUT_DOWN: Self = Self(1 << 8);
    /// Reading its metadata.
    pub(super) const STAT: Self = Self(1 << 9);
    /// Setting its times.
    pub(super) const STAMP: Self = Self(1 << 10);

    /// The rights that a descriptor with these flags gives.
    pub(super) fn of(flags: OFlags, kind: FileType) -> Self {
        if flags.contains(OFlags::PATH) {
            return Self::STAT;
        }
        let access = flags & OFlags::RWMODE;
        let reads = access != OFlags::WRONLY;
        let writes = access != OFlags::RDONLY;
        let overwrites = writes && !flags.contains(OFlags::APPEND);
        let is_file = matches!(
            kind,
            FileType::RegularFile | FileType::BlockDevice | FileType::Directory
        );
        let is_socket = kind == FileType::Socket;
        Self::STAT
            .and(Self::READ, reads)
            .and(Self::APPEND, writes)
            .and(Self::WRITE, overwrites)
            .and(Self::SEEK, is_file)
            .and(Self::SYNCHRONISE, is_file)
            .and(Self::TRUNCATE, writes && kind == FileType::RegularFile)
            .and(Self::LIST, reads && kind == FileType::Directory)
            .and(Self::SOCKET, is_socket)
            .and(Self::SHUT_DOWN, is_socket)
    }

    /// The rights of a standard input, whatever its descriptor would give.
    pub(super) fn of_input(kind: FileType) -> Self {
        (Self::STAT | Self::READ).and(Self::SOCKET, kind == FileType::Socket)
    }

    /// The rights of a standard output or error, whatever its descriptor would give.
    pub(super) fn of_output(kind: FileType) -> Self {
        (Self::STAT | Self::APPEND).and(Self::SOCKET, kind == FileType::Socket)
    }

    /// These rights, and `more` if `given`.
    pub(super) const fn and(self, more: Self, given: bool) -> Self {
        match given {
            true => Self(self.0 | more.0),
            false => self,
        }
    }

    /// Whether `needed` is a subset of these.
    pub(super) const fn include(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// Checks that these rights are enough. If not, fails as Linux does for a descriptor that cannot do it.
    pub(super) const fn check(self, needed: Self) -> Result<(), Errno> {
        const REASONS: [(Rights, Errno); 6] = [
            (
                Rights(Rights::SOCKET.0 | Rights::SHUT_DOWN.0),
                Errno::NOTSOCK,
            ),
            (Rights::LIST, Errno::NOTDIR),
            (Rights::SEEK, Errno::SPIPE),
            (Rights::TRUNCATE, Errno::INVAL),
            (Rights::SYNCHRONISE, Errno::INVAL),
            (Rights(u16::MAX), Errno::BADF),
        ];
        let mut next = 0;
        while next < REASONS.len() {
            let (rights, errno) = REASONS[next];
            if !self.include(Self(needed.0 & rights.0)) {
                return Err(errno);
            }
            next += 1;
        }
        Ok(())
    }

    /// The rights as `F_GETFL` reports them.
    pub(super) fn flags(self) -> OFlags {
        let reads = self.include(Self::READ);
        match (reads, self.include(Self::APPEND), self.include(Self::WRITE)) {
            (_, false, _) => OFlags::RDONLY,
            (false, true, true) => OFlags::WRONLY,
            (true, true, true) => OFlags::RDWR,
            (false, true, false) => OFlags::WRONLY | OFlags::APPEND,
            (true, true, false) => OFlags::RDWR | OFlags::APPEND,
        }
    }
}

impl std::ops::BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_as_linux_does() {
        let cases = [
            (
                Rights::of_output(FileType::RegularFile),
                Rights::READ,
                Errno::BADF,
            ),
            (
                Rights::of_output(FileType::RegularFile),
                Rights::SEEK,
                Errno::SPIPE,
            ),
            (
                Rights::of_output(FileType::RegularFile),
                Rights::TRUNCATE,
                Errno::INVAL,
            ),
            (
                Rights::of_output(FileType::Socket),
                Rights::SHUT_DOWN,
                Errno::NOTSOCK,
            ),
            (
                Rights::of_output(FileType::Socket),
                Rights::SOCKET | Rights::READ,
                Errno::BADF,
            ),
            (
                Rights::of_input(FileType::RegularFile),
                Rights::APPEND,
                Errno::BADF,
            ),
            (
                Rights::of_input(FileType::Directory),
                Rights::LIST,
                Errno::NOTDIR,
            ),
            (
                Rights::of(OFlags::RDONLY, FileType::RegularFile),
                Rights::TRUNCATE,
                Errno::INVAL,
            ),
            (
                Rights::of(OFlags::PATH, FileType::RegularFile),
                Rights::READ,
                Errno::BADF,
            ),
        ];
        for (rights, needed, errno) in cases {
            assert_eq!(rights.check(needed), Err(errno), "{rights:?} {needed:?}");
        }
        let file = Rights::of(OFlags::RDWR, FileType::RegularFile);
        assert_eq!(
            file.check(Rights::SEEK | Rights::APPEND | Rights::TRUNCATE),
            Ok(())
        );
    }

    #[test]
    fn flags_tell_the_rights() {
        for flags in [
            OFlags::RDONLY,
            OFlags::WRONLY,
            OFlags::RDWR,
            OFlags::WRONLY | OFlags::APPEND,
            OFlags::RDWR | OFlags::APPEND,
        ] {
            let hidden = flags | OFlags::NONBLOCK | OFlags::NOATIME;
            assert_eq!(Rights::of(hidden, FileType::RegularFile).flags(), flags);
        }
        let output = Rights::of_output(FileType::RegularFile).flags();
        assert_eq!(output, OFlags::WRONLY | OFlags::APPEND);
        assert_eq!(Rights::of_input(FileType::Fifo).flags(), OFlags::RDONLY);
    }
}
