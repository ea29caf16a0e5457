//! What may be done with what a handle stands for.

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

/// A set of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights(u16);

impl Rights {
    /// None but to hold and to close it.
    pub(super) const NONE: Self = Self(0);
    /// To read where it stands.
    pub(super) const READ: Self = Self(1);
    /// To write where it stands, which may be its end whatever the guest does.
    pub(super) const APPEND: Self = Self(1 << 1);
    /// To change what is there.
    pub(super) const WRITE: Self = Self(1 << 2);
    /// To read and write elsewhere than where it stands, and to move that.
    pub(super) const SEEK: Self = Self(1 << 3);
    /// To give it another length.
    pub(super) const TRUNCATE: Self = Self(1 << 4);
    /// To wait until its disk has it.
    pub(super) const SYNCHRONISE: Self = Self(1 << 5);
    /// To see what the directory holds.
    pub(super) const LIST: Self = Self(1 << 6);
    /// What only sockets do: to peek, and not to wait.
    pub(super) const SOCKET: Self = Self(1 << 7);
    /// To end the connection, or to change how it sends.
    pub(super) const SHUT_DOWN: Self = Self(1 << 8);
    /// To see what it is.
    pub(super) const STAT: Self = Self(1 << 9);
    /// To set its times.
    pub(super) const STAMP: Self = Self(1 << 10);

    /// What a descriptor gives that is open with these flags.
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

    /// What a standard input gives, whatever the descriptor behind it would.
    pub(super) fn of_input(kind: FileType) -> Self {
        (Self::STAT | Self::READ).and(Self::SOCKET, kind == FileType::Socket)
    }

    /// What a standard output or error gives, whatever the descriptor behind it would.
    pub(super) fn of_output(kind: FileType) -> Self {
        (Self::STAT | Self::APPEND).and(Self::SOCKET, kind == FileType::Socket)
    }

    /// These, and `more` if `given`.
    pub(super) const fn and(self, more: Self, given: bool) -> Self {
        match given {
            true => Self(self.0 | more.0),
            false => self,
        }
    }

    /// Whether these are among them.
    pub(super) const fn include(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// Whether these are enough; if not, what Linux says of a descriptor that cannot do it.
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

    /// As `F_GETFL` tells them.
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
