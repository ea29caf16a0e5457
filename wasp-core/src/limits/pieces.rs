//! Long work in pieces.

use crate::base::ended::Ended;
use crate::limits::deadline::now;
use crate::limits::meter::Meter;

/// The first piece is a page, and none is smaller, so that slow work (a disk, for instance) shows after little of it.
const LEAST: usize = 4 << 10;
/// No piece is larger.
const MOST: usize = 1 << 20;
/// A piece that takes longer than this, in nanoseconds, was too large.
const LONG: u64 = 1_000_000;
/// If a piece takes less than this, the next may be twice as large.
const SHORT: u64 = LONG / 4;

/// Pieces of a mebibyte or of a millisecond's work, whichever is less. The meter is checked before each.
pub(crate) struct Pieces<'m> {
    meter: &'m Meter,
    size: usize,
    /// When the last piece began, by [`now`]. 0 before the first.
    began: u64,
}

impl Meter {
    /// Splits work that may take long into pieces.
    pub(crate) const fn pieces(&self) -> Pieces<'_> {
        Pieces::new(self)
    }
}

impl<'m> Pieces<'m> {
    const fn new(meter: &'m Meter) -> Self {
        Self {
            meter,
            size: LEAST,
            began: 0,
        }
    }

    /// Bytes of the next piece.
    pub(crate) fn next(&mut self) -> Result<usize, Ended> {
        let now = now();
        self.meter.check_at(now)?;
        if self.began != 0 {
            self.size = sized(self.size, now.saturating_sub(self.began));
        }
        self.began = now;
        Ok(self.size)
    }
}

/// The size of the next piece if one of `size` bytes took this many nanoseconds.
fn sized(size: usize, took: u64) -> usize {
    match took {
        LONG.. => (size / 2).max(LEAST),
        SHORT.. => size,
        _ => (size * 2).min(MOST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_grow_while_they_are_quick_and_shrink_where_they_are_slow() {
        let quick = (0..20).fold(LEAST, |size, _| sized(size, 1_000));
        assert_eq!(quick, MOST);
        assert_eq!(sized(MOST, 500_000), MOST);
        assert_eq!(sized(MOST, 2_000_000), MOST / 2);
        let slow = (0..20).fold(MOST, |size, _| sized(size, 10_000_000));
        assert_eq!(slow, LEAST);
    }
}
