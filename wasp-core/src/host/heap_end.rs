//! `sbrk`, for guests that do not manage their own heap.

use rustix::io::Errno;

use crate::host::request_error::Answer;

/// The end of a guest's heap, and its bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeapEnd {
    start: u64,
    now: u64,
    limit: u64,
}

impl HeapEnd {
    /// A heap from `start` on that may grow up to `limit`.
    pub(crate) const fn new(start: u64, limit: u64) -> Self {
        Self {
            start,
            now: start,
            limit,
        }
    }

    /// Moves the end by `increment` bytes, a signed number. Returns the old end.
    pub(super) fn sbrk(&mut self, increment: u64) -> Answer {
        let before = self.now;
        let after = before
            .checked_add_signed(increment.cast_signed())
            .filter(|after| (self.start..=self.limit).contains(after));
        self.now = after.ok_or(Errno::NOMEM)?;
        Ok(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::request_error::RequestError;

    #[test]
    fn heap_ends_between_its_bounds() {
        let mut end = HeapEnd::new(0x9000, 0x1_0000);
        assert_eq!(end.sbrk(0x1000), Ok(0x9000));
        assert_eq!(end.sbrk(0x6000), Ok(0xa000));
        for impossible in [
            1,
            u64::MAX / 2,
            i64::MIN.cast_unsigned(),
            (-0x7001_i64).cast_unsigned(),
        ] {
            assert_eq!(end.sbrk(impossible), Err(RequestError::Errno(Errno::NOMEM)));
        }
        assert_eq!(end.sbrk((-0x7000_i64).cast_unsigned()), Ok(0x1_0000));
        assert_eq!(end.sbrk(0), Ok(0x9000));
    }
}
