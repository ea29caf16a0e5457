//! Device and inode numbers as a call sees them: equal if the host's are equal, but otherwise made up.

use std::hash::{BuildHasher as _, RandomState};

use rustix::fs::Stat;

/// A call's own numbers for the host's devices and inodes.
///
/// They are keyed hashes (SipHash) with a secret key. A guest can compare files, but learns nothing that holds beyond
/// its call.
#[derive(Default)]
pub(super) struct Identities(RandomState);

/// Hashed along with the number, so that a device's number says nothing about an inode's.
const DEVICE: u8 = 0;
const INODE: u8 = 1;

impl Identities {
    /// Replaces `st_dev`: 32 bits, as in Linux (`new_encode_dev` in linux/kdev_t.h).
    pub(super) fn device(&self, device: u64) -> u64 {
        u64::from(self.0.hash_one((DEVICE, device)) as u32)
    }

    /// Replaces `st_ino` and `d_ino`. Never 0, which means none.
    pub(super) fn inode(&self, inode: u64) -> u64 {
        self.0.hash_one((INODE, inode)).max(1)
    }

    /// `stat` with these numbers in it.
    pub(super) fn disguise(&self, mut stat: Stat) -> Stat {
        stat.st_dev = self.device(stat.st_dev);
        stat.st_ino = self.inode(stat.st_ino);
        stat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_in_one_call_and_not_in_two() {
        let (one, other) = (Identities::default(), Identities::default());
        assert_eq!(one.inode(7), one.inode(7));
        assert_ne!(one.inode(7), one.inode(8));
        assert_ne!(one.inode(7), other.inode(7));
        assert_ne!(one.device(7), other.device(7));
        assert!(one.device(7) <= u64::from(u32::MAX));
    }
}
